#!/usr/bin/env bash
# Builds the unit tests of core and kernels for aarch64 (NEON) and runs them under qemu-user; those of int8 with dot products too.
#   bash tests/embedded/aarch64_tests.sh [--yes] [--no-install] [FOLDER/NAME...]     e.g. kernels/elementary
# The last line is "N passed, M failed"; exits with 1 when one failed, 2 when it cannot start.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/system.sh"

names=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) parse_install_option "$1" || names+=("$1") ;;
  esac
  shift
done

need_aarch64() {
  need g++-aarch64-linux-gnu "the compiler for 64-bit ARM" command aarch64-linux-gnu-g++
  need qemu-user qemu-aarch64 command qemu-aarch64 qemu-aarch64-static
  need libeigen3-dev "Eigen 3.4 or newer" file /usr/include/eigen3/Eigen/Core
  need doctest-dev doctest file /usr/include/doctest/doctest.h
}
install_missing need_aarch64
cd "$root"
[ ${#names[@]} -gt 0 ] || for test in tests/{core,kernels}/*_test.cpp; do
  test=${test#tests/}
  names+=("${test%_test.cpp}")
done
for name in "${names[@]}"; do
  [ "$name" != kernels/int8 ] || names+=("$name -march=armv8.2-a+dotprod")
done

# doctest alone of /usr/include, which is the host's.
build=$root/build/aarch64
mkdir -p "$build/include"
ln -sfn /usr/include/doctest "$build/include/doctest"
export build
compile() {  # SOURCE OBJECT FLAG...
  aarch64-linux-gnu-g++ -std=c++20 -O2 -static -Iinclude -Itests -I. -isystem /usr/include/eigen3 -isystem "$build/include" -c "$1" -o "$2" "${@:3}"
}
one() {  # NAME FLAG...: quiet and true when its tests pass
  local program=$build/${1//\//_}${2:-} log
  log=$program.log
  { compile "tests/$1_test.cpp" "$program.o" "${@:2}" && aarch64-linux-gnu-g++ -static "$program.o" "$build/main.o" -o "$program" &&
    "$(command -v qemu-aarch64 || command -v qemu-aarch64-static)" "$program"; } >"$log" 2>&1 && echo "ok $*" && return
  echo "FAILED $*"
  tail -n 20 "$log"
}
export -f compile one
compile tests/doctest_main.cpp "$build/main.o"
results=$(printf '%s\n' "${names[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one {}')
printf '%s\n' "$results"
failed=$(grep -c '^FAILED ' <<<"$results" || true)
echo "$((${#names[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
