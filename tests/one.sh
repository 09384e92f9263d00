#!/usr/bin/env bash
# Builds and runs the tests of one header by themselves, without the rest of the build: the inner loop.
#   tests/one.sh kernels/softmax [DOCTEST-OPTION...]        e.g.  tests/one.sh layers/rotary -tc='*scaling*'
# What tests of many headers have in common is in bash tests/run.sh. CXX and CXXFLAGS are heeded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -e tests/${1:-}_test.cpp ]] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 2; }
name=$1 folder=tests/${1%/*} out=build/one
shift
mkdir -p "$out"

# As CMake compiles them (.cmake/developer.cmake): the tests that go through millions of floats are optimised.
level=-Og
[[ $name != kernels/elementary && $name != kernels/activation ]] || level=-O3
flags=(-std=c++20 $level -march=native -fopenmp -Iinclude -isystem /usr/include/eigen3 --param ggc-min-heapsize=1048576)
libraries=() sources=("tests/${name}_test.cpp")
case ${name%%/*} in
  corpus | fuzz | generate | hostile | io | text | inspect)
    libraries=(-lz)
    for library in utf8proc:utf8proc.h pcre2-8:pcre2.h; do [ ! -e "/usr/include/${library#*:}" ] || libraries+=("-l${library%:*}"); done
    [ ! -e /usr/include/sentencepiece_processor.h ] || libraries+=(-DVITRINE_SENTENCEPIECE=1 -lsentencepiece)
    [ ! -e /usr/include/zstd.h ] || libraries+=(-DVITRINE_ZSTD=1 -lzstd) ;;
esac
for source in "$folder"/*.cpp; do [[ $source == *_test.cpp ]] || sources+=("$source"); done
[ "$out/main.o" -nt tests/doctest_main.cpp ] || "${CXX:-g++}" -std=c++20 -O1 -Iinclude -isystem /usr/include/eigen3 -fopenmp -c tests/doctest_main.cpp -o "$out/main.o"
# shellcheck disable=SC2086
"${CXX:-g++}" "${flags[@]}" ${CXXFLAGS:-} "${sources[@]}" "$out/main.o" -o "$out/test" "${libraries[@]}"
OMP_WAIT_POLICY=passive "$out/test" "$@"
