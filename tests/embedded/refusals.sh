#!/usr/bin/env bash
# weights_to_header refuses what does not fit, with exit code 2, one sentence and no file left behind.
#   bash tests/embedded/refusals.sh build/examples/embedded/weights_to_header
set -uo pipefail
program=$1 folder=$(mktemp -d) failed=0
trap 'rm -rf "$folder"' EXIT
g2p=(examples/models/g2p "$folder/out.hpp" --d_model 128 --nhead 4 --dim_feedforward 512 --num_layers 3 --max_length 16
  --activation silu --names marian --prefix model.encoder.)
refused() {  # SENTENCE ARGUMENT...
  local sentence=$1 code=0 said
  shift
  said=$("$program" "$@" 2>&1) || code=$?
  [ $code -eq 2 ] && grep -qF -- "$sentence" <<<"$said" && [ ! -e "$folder/out.hpp" ] && return
  echo "expected \"$sentence\" and exit 2 from: $*; exit $code, said: ${said:0:300}"
  failed=$((failed + 1))
}
refused 'config.json says --d_model 128, not 64' "${g2p[@]}" --d_model 64
refused 'config.json says --nhead 4, not 8' "${g2p[@]}" --nhead 8
refused 'config.json says --num_layers 3, not 2' "${g2p[@]}" --num_layers 2
refused 'config.json says --activation silu' "${g2p[@]}" --activation relu
refused "more than the model's positions" "${g2p[@]}" --max_length 65
cp examples/models/g2p/model.safetensors "$folder/alone.safetensors"  # without config.json: the shapes speak
refused '(128, 128) instead of (64, 64)' "$folder/alone.safetensors" "${g2p[@]:1}" --d_model 64
refused 'unexpected are "model.encoder.layers.2.' "$folder/alone.safetensors" "${g2p[@]:1}" --num_layers 2
refused 'missing are' "$folder/alone.safetensors" "${g2p[@]:1}" --num_layers 4
refused 'd_model must be divisible by nhead' init:1 "$folder/out.hpp" --d_model 10 --nhead 3 --dim_feedforward 8 --max_length 4
refused '--max_length must be positive' init:1 "$folder/out.hpp" --d_model 8 --nhead 2 --dim_feedforward 8
refused '--panel must be 0 or a power of two' init:1 "$folder/out.hpp" --d_model 8 --nhead 2 --dim_feedforward 8 --max_length 4 --panel 6
"$program" "${g2p[@]}" 2>/dev/null && [ -s "$folder/out.hpp" ] || { echo "what fits was refused"; failed=$((failed + 1)); }
[ $failed -eq 0 ] && echo "12 passed, 0 failed"
