#!/usr/bin/env bash
# golden PROGRAM: its exit codes; the cases themselves are a test of their own.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
case=tests/golden/modules/mha_00.safetensors
last() { tail -n 1 "$scratch/stdout"; }

check "--help" exits 0 --help
check "--help prints the usage" grep -q '^usage: golden PATH' "$scratch/stdout"
check "nothing to run" exits 2
check "no such file" exits 2 "$scratch/nothing.safetensors"
check "a case" exits 0 $case
check "counts" [ "$(last)" = "2 passed, 0 failed" ]
head -c 1000 $case >"$scratch/truncated.safetensors"
check "a truncated file" exits 2 "$scratch/truncated.safetensors" $case
check "it is named" grep -q 'truncated.safetensors' "$scratch/stdout"
check "the others are run" [ "$(last)" = "2 passed, 2 failed" ]
finish
