#!/usr/bin/env bash
# same_bits.sh [FLAGS...]: do g++ and clang++, with -ffp-contract=off, on and fast, give the same results bit for bit?
# FLAGS are the target's (default -march=native). CXX_LIST names the compilers, CONTRACT_LIST the contractions, STRIDE the
# share of all floats (1 of STRIDE).
set -euo pipefail
cd "$(dirname "$0")/../.."
flags=("${@:--march=native}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
first=
for compiler in ${CXX_LIST:-g++ clang++}; do
  if ! command -v "$compiler" > /dev/null; then
    echo "same_bits: no $compiler, skipped"
    [[ -z ${CXX_LIST:-} ]] || exit 1  # it was asked for
    continue
  fi
  for contract in ${CONTRACT_LIST:-off on fast}; do
    "$compiler" -std=c++20 -O3 "${flags[@]}" -ffp-contract=$contract -pthread -I include tests/exhaustive.cpp -o "$folder/program"
    "$folder/program" "${STRIDE:-16381}" > "$folder/$compiler-$contract"
    if [[ -z $first ]]; then
      first="$folder/$compiler-$contract"
      cat "$first"
    elif ! diff "$first" "$folder/$compiler-$contract"; then
      echo "same_bits: $compiler -ffp-contract=$contract differs"
      exit 1
    fi
  done
done
[[ -n $first ]] || { echo "same_bits: no compiler"; exit 1; }
echo "same_bits: all agree (${flags[*]})"
