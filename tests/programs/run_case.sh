#!/usr/bin/env bash
# run_case PROGRAM: its exit codes and files; the one-result rule is a test of its own.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
case=tests/golden/modules/encoderlayer_00.safetensors

check "--help" exits 0 --help
check "--help prints the usage" grep -q '^usage: run_case CASE' "$scratch/stdout"
check "no case" exits 2
check "an unknown option" exits 2 $case --twice 3
check "no such file" exits 2 "$scratch/nothing.safetensors"
check "a case" exits 0 $case
cp "$scratch/stdout" "$scratch/plain"
check "other flags" exits 0 $case --threads 2 --call into --pad 1,2
check "the same numbers" cmp -s "$scratch/plain" "$scratch/stdout"
check "--out" exits 0 $case --out "$scratch/out.npz"
check "an archive" [ "$(head -c 2 "$scratch/out.npz")" = PK ]
finish
