#!/usr/bin/env bash
# What small machines need of the headers.
#   bash tests/embedded/check.sh no_heap      fixed models allocate nothing: with and without optimisation and exceptions
#   bash tests/embedded/check.sh headers      core to models compile without exceptions and RTTI: hosted and freestanding,
#                                             for 32-bit x86, aarch64, Cortex-M4F and Cortex-M0, with what compilers are there
# Prints one line for each violation and exits with 1 when there is one.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
include=(-std=c++20 -Iinclude -isystem /usr/include/eigen3)
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)

no_heap() {
  local folder name options
  folder=$(mktemp -d)
  local -A kinds=([debug]="-O0 -g" [release]="-O2 -DNDEBUG" [plain]="-O1 -DNDEBUG -fno-exceptions -fno-rtti -DVITRINE_VECTOR_BYTES=0")
  one() {  # NAME RUNNER COMPILER OPTION...
    local name=$1 runner log
    read -ra runner <<<"$2"
    shift 2
    log=$("$@" "${include[@]}" "${warnings[@]}" tests/embedded/no_heap.cpp -o "$folder/$name" 2>&1 && "${runner[@]}" "$folder/$name" 2>&1) &&
      echo "ok     $name: $log" && return
    echo "FAILED $name: $log"
    touch "$folder/failed"
  }
  for name in debug release plain; do
    read -ra options <<<"${kinds[$name]}"
    one "$name" "" "${CXX:-c++}" "${options[@]}" &
  done
  if [[ ${CXX:-c++} != *clang* ]] && command -v i686-linux-gnu-g++ >/dev/null && command -v qemu-i386 >/dev/null; then
    one x86-32 "qemu-i386 -L /usr/i686-linux-gnu" i686-linux-gnu-g++ -O2 -fno-exceptions -fno-rtti &
  fi
  wait
  name=0
  [ ! -e "$folder/failed" ] || name=1
  rm -rf "$folder"
  return $name
}

# Each header alone is what tests/headers/check.sh alone sees to, with both compilers; here all of them, for each kind.
headers() {
  local all failed=0 ways=0 errors compiler
  all=$(find include/vitrine/{core,kernels,run,layers,models} -name '*.hpp' ! -name 'macros_p*.hpp' |
    sort | sed 's|^include/\(.*\)|#include <\1>|')  # those two come in pairs, inside the others
  for compiler in "g++" "g++ -ffreestanding" "clang++-14 -ffreestanding" "i686-linux-gnu-g++" "clang++-14 --target=i686-linux-gnu" \
    "aarch64-linux-gnu-g++" "arm-none-eabi-g++ -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16" \
    "arm-none-eabi-g++ -mcpu=cortex-m0 -mthumb"; do
    if ! command -v "${compiler%% *}" >/dev/null || { [[ $compiler == *=i686* ]] && [ ! -e /usr/i686-linux-gnu/include ]; }; then
      [ "${CI:-}" != true ] || { echo "missing: $compiler"; failed=1; }  # CI has them all
      continue
    fi
    read -ra command <<<"$compiler"
    ways=$((ways + 1))
    errors=$("${command[@]}" "${include[@]}" -fsyntax-only -fno-exceptions -fno-rtti -Wall -Wextra -Werror -x c++ - <<<"$all" 2>&1) && continue
    printf '%s: %s\n' "$compiler" "$(grep -m1 'error:' <<<"$errors")"
    failed=1
  done
  [ $ways -gt 0 ] && [ $failed -eq 0 ] && echo "$(wc -l <<<"$all") headers, $ways kinds of compilation, no violation"
}

case ${1:-} in
  no_heap | headers) "$1" ;;
  *) sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
