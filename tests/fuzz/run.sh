#!/usr/bin/env bash
# libFuzzer (clang 14, address and undefined behaviour) over everything that parses files, and over what C++ callers can
# configure (constructors), as many targets at a time as there are processors.
#   tests/fuzz/run.sh [SECONDS] [TARGET...]      60 seconds for each target; e.g. tests/fuzz/run.sh 3600 safetensors
#   SEED=1 tests/fuzz/run.sh                     from this seed instead of a random one, as CI does
# What it learns stays in build/fuzz/corpus; a finding in build/fuzz/findings, named and with its stack: it becomes a file
# of tests/fuzz/corpus/TARGET, which the ordinary tests replay. The last line is "N passed, M failed".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export seconds=60 build=$PWD/build/fuzz
[[ ! ${1:-} =~ ^[0-9]+$ ]] || { seconds=$1; shift; }
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls tests/fuzz/corpus)

TMPDIR=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/vitrine-fuzz-XXXXXX")  # small files, quickly
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

fuzz() {
  local target=$1 log=$build/$1.log
  mkdir -p "$build/corpus/$target" "$build/findings"
  [ -d "tests/fuzz/corpus/$target" ] || { echo "FAILED  no such target: $target (tests/fuzz/corpus has them)"; return; }
  local libraries=(-lz -lutf8proc -lpcre2-8)
  [ "$target" != sentencepiece ] || libraries+=(-DVITRINE_SENTENCEPIECE=1 -lsentencepiece)
  {
    "${CXX:-clang++-14}" -std=c++20 -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS \
      -Iinclude -isystem /usr/include/eigen3 -DVITRINE_FUZZ_TARGET="fuzz_$target" \
      tests/fuzz/libfuzzer.cpp "tests/fuzz/$target.cpp" -o "$build/$target" "${libraries[@]}" &&
      "$build/$target" ${SEED:+-seed="$SEED"} -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=64 -rss_limit_mb=1024 -max_len=4096 \
        -dict=tests/fuzz/words.dict -artifact_prefix="$build/findings/$target-" -print_final_stats=1 \
        "$build/corpus/$target" "tests/fuzz/corpus/$target"
  } >"$log" 2>&1 || { tail -n 60 "$log"; echo "FAILED  $target"; return; }
  echo "ok      $target: $(sed -n 's/^stat::number_of_executed_units: //p' "$log") inputs"
}
export -f fuzz

mkdir -p "$build"
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}' | tee "$build/summary"
failed=$(grep -c '^FAILED' "$build/summary" || true)
echo "$((${#targets[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
