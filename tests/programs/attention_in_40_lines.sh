#!/usr/bin/env bash
# attention_in_40_lines PROGRAM: 40 lines of code, no more; a causal map and a difference that is only rounding.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

check "40 lines of code" [ "$(grep -vcE '^\s*(//|$)' examples/attention_in_40_lines.cpp)" = 40 ]
check "the numbers are vitrine's" exits 0
check "the first token sees itself alone" [ "$(sed -n 2p "$scratch/stdout" | tr -s ' ')" = " 1 0 0 0 0 0" ]
check "a difference of rounding" awk 'END { exit !($NF >= 0 && $NF <= 1e-6) }' "$scratch/stdout"
finish
