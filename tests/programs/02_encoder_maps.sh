#!/usr/bin/env bash
# 02_encoder_maps PROGRAM: its options.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

check "--help" exits 0 --help
check "--help prints the usage" grep -q '^usage: 02_encoder_maps' "$scratch/stdout"
check "another option" exits 2 --large
finish
