#!/usr/bin/env bash
# run_module PROGRAM: its exit codes; its numbers are compared with PyTorch's by tests/python.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

check "--help" exits 0 --help
check "--help prints the usage" grep -q '^usage: run_module CASE' "$scratch/stdout"
check "no output" exits 2 tests/golden/modules/mha_00.safetensors
check "no such file" exits 2 "$scratch/nothing.safetensors" "$scratch/out.safetensors"
check "a case" exits 0 tests/golden/modules/mha_00.safetensors "$scratch/out.safetensors"
check "results" grep -aq '"result\.' "$scratch/out.safetensors"
finish
