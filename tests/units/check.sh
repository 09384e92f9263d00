#!/usr/bin/env bash
# Differently built units in one program, core to models; and what holds under -ffast-math.
#   tests/units/check.sh [COMPILER]     default c++
# Builds unit.cpp in the ways below and links them all into one program, in both orders: each must print what it prints in a
# program of its own. No two may share a weak symbol, ours or std::'s or Eigen's: the linker would keep one of the two, and a
# machine without AVX-512 might then run the other's. Then the same of a std:: symbol of the test's own, which must be found.
# From -O1 on: without optimisation the smallest functions of Eigen's expressions are not inlined and would be shared.
#
# generate, io and inspect (hosted.cpp, not linked) share no symbol with our or Eigen's name in it either; text and corpus, which it
# leaves out, are of their kind. But all of them take and
# return std::vector and std::string, read JSON by nlohmann's classes and keep files in std::shared_ptr: the members of
# std::vector<long>, std::string and nlohmann::json have names that do not depend on us or on the flags, every unit that uses
# such a type has them, with or without our headers, and no header can hide them (not a namespace of ours, as the types are
# std's; not -fvisibility, which acts within a library). A program for several kinds of machine compiles what loads and
# generates once, for the least of them; core to models, where the time goes, may be compiled for each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
compiler=${1:-c++}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
openmp=-fopenmp
tag=  # clang has no macro for this flag
[[ $compiler != clang* ]] || openmp=-fopenmp=libomp tag=-DVITRINE_ABI_MATH=

names=(generic native narrow plain bare fast unsafe)
declare -A flags=(
  [generic]=''
  [native]="-march=native $openmp"
  [narrow]='-march=native -DVITRINE_VECTOR_BYTES=16'
  [plain]='-DVITRINE_VECTOR_BYTES=0'
  [bare]='-march=x86-64-v3 -fno-exceptions -fno-rtti'
  [fast]='-march=x86-64-v3 -ffast-math'
  [unsafe]="-funsafe-math-optimizations ${tag:+${tag}unsafe}"
)
build() {
  # shellcheck disable=SC2086
  "$compiler" -std=c++20 -O1 -Iinclude -isystem /usr/include/eigen3 $2 -DUNIT="$1" -c tests/units/unit.cpp -o "$folder/$1.o"
}
export -f build
export compiler folder
for name in "${names[@]}"; do printf '%s\0%s\0' "$name" "${flags[$name]}"; done |
  xargs -0 -n 2 -P "$(nproc)" bash -c 'build "$@"' _ || { echo "a unit does not compile"; exit 1; }

# program OUT NAME...: main.cpp with these units, linked in this order
program() {
  local out=$1 list='' objects=() name
  shift
  for name in "$@"; do list+="UNIT($name) " objects+=("$folder/$name.o"); done
  "$compiler" -std=c++20 "-DUNITS=$list" tests/units/main.cpp "${objects[@]}" $openmp -o "$folder/$out"
}
failed=0
for name in "${names[@]}"; do
  program alone "$name" && "$folder/alone"
done | sort >"$folder/alone.txt"
program forth "${names[@]}"
# shellcheck disable=SC2046
program back $(printf '%s\n' "${names[@]}" | tac)
for order in forth back; do
  "$folder/$order" | sort | diff "$folder/alone.txt" - || { echo "units linked $order differ from each alone"; failed=1; }
done
[ "$(wc -l <"$folder/alone.txt")" -eq ${#names[@]} ] || { echo "a unit fails alone"; failed=1; }

# Weak definitions, without what the compiler itself puts into every unit.
weak() { nm "$1" | awk '$2 ~ /^[WVu]$/ && $3 !~ /^(DW\.ref\.__gxx_personality_v0|__clang_call_terminate)$/ { print $3 }' | sort -u; }
shared() { comm -12 <(weak "$1") <(weak "$2") | c++filt; }
for i in "${!names[@]}"; do
  for j in $(seq $((i + 1)) $((${#names[@]} - 1))); do
    found=$(shared "$folder/${names[$i]}.o" "$folder/${names[$j]}.o")
    [ -z "$found" ] || { printf '%s and %s share:\n%s\n' "${names[$i]}" "${names[$j]}" "$found"; failed=1; }
  done
done

# The hosted tiers; of two units of the same flags such symbols are found.
ours() { shared "$1" "$2" | grep -E 'vitrine|Eigen' || true; }
printf '%s\0' '' -march=native | xargs -0 -n 1 -P "$(nproc)" bash -c '
  "$compiler" -std=c++20 -O1 $1 -Iinclude -isystem /usr/include/eigen3 -c tests/units/hosted.cpp -o "$folder/hosted$1.o"' _ ||
  { echo "hosted.cpp does not compile"; exit 1; }
found=$(ours "$folder/hosted.o" "$folder/hosted-march=native.o")
[ -z "$found" ] || { printf 'generate, io or inspect share:\n%s\n' "$found"; failed=1; }
[ -n "$(ours "$folder/hosted.o" "$folder/hosted.o")" ] || { echo "shared symbols of the hosted tiers are not found"; failed=1; }

# Each liberty with numbers that the compiler has a macro for gives the namespace a name of its own.
liberties=("" -ffast-math -ffinite-math-only)
if [[ $compiler != clang* ]]; then
  liberties+=(-funsafe-math-optimizations -freciprocal-math -fno-signed-zeros -fno-trapping-math -frounding-math -fsignaling-nans
    "-fassociative-math -fno-signed-zeros -fno-trapping-math")
fi
# And so does each instruction set for which weights are packed, or products taken, in a way of its own.
if [ "$(uname -m)" = x86_64 ]; then
  liberties+=(-march=x86-64-v{2,3,4} -march=cascadelake "-march=cascadelake -mamx-int8" -march=cooperlake -march=sapphirerapids
    "-march=x86-64-v3 -mno-f16c")
fi
spaces=$(for liberty in "${liberties[@]}"; do
  # shellcheck disable=SC2086
  printf '#include <vitrine/core/config.hpp>\nSPACE VITRINE_ABI\n' | "$compiler" -std=c++20 -Iinclude -isystem /usr/include/eigen3 $liberty -E -x c++ - | grep '^SPACE'
done)
[ "$(sort -u <<<"$spaces" | wc -l)" -eq ${#liberties[@]} ] || { printf 'flags share a namespace:\n%s\n' "$spaces"; failed=1; }

# Proof that this can fail.
for kind in '' -march=native; do
  printf '#include <algorithm>\nvoid f%s(float* x, float* y) { std::sort(x, y); }\n' "${kind:+2}" |
    "$compiler" -std=c++20 -O1 $kind -x c++ -c - -o "$folder/proof$kind.o"
done
[ -n "$(shared "$folder/proof.o" "$folder/proof-march=native.o")" ] || { echo "shared symbols are not found"; failed=1; }
# Masks, exact zeros and empty rows, whatever -ffast-math assumes.
printf '%s\0' '-march=native -O3' '-O2' '-DVITRINE_VECTOR_BYTES=0 -O1' | xargs -0 -n 1 -P "$(nproc)" bash -c '
  "$compiler" -std=c++20 $1 -ffast-math -Iinclude -isystem /usr/include/eigen3 tests/units/fast_math.cpp -o "$folder/fast${1// /}" &&
    "$folder/fast${1// /}"' _ || { echo "-ffast-math breaks masks, zeros or empty rows"; failed=1; }

cat "$folder/alone.txt"
[ $failed -eq 0 ] && echo "$compiler: ${#names[@]} units in one program, each as alone, no symbol shared"
