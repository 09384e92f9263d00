#!/usr/bin/env bash
# weights_to_header, map_log, run.sh and figures.py refuse what does not fit, with exit code 2, one sentence and no file left behind.
#   bash tests/embedded/refusals.sh build/examples/embedded/weights_to_header build/examples/embedded/map_log
set -uo pipefail
header=$1 map_log=$2 folder=$(mktemp -d) passed=0 failed=0
trap 'rm -rf "$folder"' EXIT
g2p=(examples/models/g2p "$folder/out.hpp" --d_model 128 --nhead 4 --dim_feedforward 512 --num_layers 3 --max_length 16
  --activation silu --names marian --prefix model.encoder.)
init=(init:1 "$folder/out.hpp" --d_model 8 --nhead 2 --dim_feedforward 8 --max_length 4)
wrong() { echo "$*"; failed=$((failed + 1)); }
refused() {  # SENTENCE COMMAND...
  local sentence=$1 code=0 said
  shift
  said=$("$@" 2>&1) || code=$?
  [ $code -eq 2 ] && grep -qF -- "$sentence" <<<"$said" && [ ! -e "$folder/out.hpp" ] && passed=$((passed + 1)) && return
  wrong "expected \"$sentence\" and exit 2 from: $*; exit $code, said: ${said:0:300}"
}
accepted() {  # COMMAND...
  "$@" >"$folder/said" 2>&1 && passed=$((passed + 1)) && return
  wrong "what fits was refused: $*; it said: $(head -c 300 "$folder/said")"
}

refused 'config.json says --d_model 128, not 64' "$header" "${g2p[@]}" --d_model 64
refused 'config.json says --nhead 4, not 8' "$header" "${g2p[@]}" --nhead 8
refused 'config.json says --num_layers 3, not 2' "$header" "${g2p[@]}" --num_layers 2
refused 'config.json says --activation silu' "$header" "${g2p[@]}" --activation relu
refused "more than the model's positions" "$header" "${g2p[@]}" --max_length 65
cp examples/models/g2p/model.safetensors "$folder/alone.safetensors"  # without config.json: the shapes speak
refused '(128, 128) instead of (64, 64)' "$header" "$folder/alone.safetensors" "${g2p[@]:1}" --d_model 64
refused 'unexpected are "model.encoder.layers.2.' "$header" "$folder/alone.safetensors" "${g2p[@]:1}" --num_layers 2
refused 'missing are' "$header" "$folder/alone.safetensors" "${g2p[@]:1}" --num_layers 4
refused 'd_model must be divisible by nhead' "$header" "${init[@]}" --d_model 10 --nhead 3
refused '--max_length must be positive' "$header" "${init[@]}" --max_length 0
refused '--panel must be 0 or a power of two' "$header" "${init[@]}" --panel 6
refused '--weights must be f32, int8, bf16 or f16, not "int4"' "$header" "${init[@]}" --weights int4
refused '--panel 0 writes plain rows, which int8 weights do not have' "$header" "${init[@]}" --panel 0 --weights int8
refused 'no memory' "$header" "${init[@]}" --max_memory_length 4
refused '--max_memory_length must be positive' "$header" "${init[@]}" --module decoder --max_memory_length 0
refused 'init:SEED has no tensors' "$header" "${init[@]}" --names marian
refused 'init:SEED has no tensors' "$header" "${init[@]}" --prefix model.
refused 'the seed must be a whole number from 0 to 1048576, not "99999999"' "$header" init:99999999 "${init[@]:1}"
for eps in inf nan 0 -1 1e39 1e-5x ''; do refused "a positive finite number, not \"$eps\"" "$header" "${init[@]}" --layer_norm_eps "$eps"; done
for name in class 1x a-b a::int a:: a:b ''; do refused "not \"$name\"" "$header" "${init[@]}" --name "$name"; done
accepted "$header" "${g2p[@]}"
accepted "$header" "${init[@]}" --name firmware::classy --layer_norm_eps 1e-12 --module decoder --max_memory_length 3
grep -q 'layer_norm_eps = 1e-12,' "$folder/out.hpp" || wrong "another --layer_norm_eps was written"
accepted "${CXX:-c++}" -std=c++20 -fsyntax-only -Iinclude -isystem /usr/include/eigen3 -DVITRINE_VECTOR_BYTES=0 "$folder/out.hpp"
rm "$folder/out.hpp"

# Logs: characters lost on the way, and maps that the other log does not have.
nothing=$folder/nothing.log weights=$folder/weights.log damaged=$folder/damaged.log
"$map_log" reference d64_nothing >"$nothing" && "$map_log" reference d64_weights >"$weights" || wrong "no reference was written"
damage() { sed "$1" "$weights" >"$damaged"; }
accepted "$map_log" compare "$weights" "$weights"
accepted "$map_log" compare "$nothing" "$nothing"
refused "result 1 has 0 maps in $nothing and 4 in $weights" "$map_log" compare "$nothing" "$weights"
refused "result 1 has 4 maps in $weights and 0 in $nothing" "$map_log" compare "$weights" "$nothing"
damage '/^vt map encoder_self 1 3/,$d' && echo "vt end*4d" >>"$damaged"  # the log without its last map
refused "has 3 maps in $damaged and 4 in $weights" "$map_log" compare "$damaged" "$weights"
damage 's/^vt map encoder_self 1 3 32 32\*.*/vt map encoder_self 0 3 32 32*4a/'
refused "map 4 of result 1 is of another kind, layer or head" "$map_log" compare "$damaged" "$weights"
damage 's/^vt map encoder_self 1 2/v map encoder_self 1 2/'  # the reader takes this line for somebody else's
refused ': no such line: 0.' "$map_log" compare "$damaged" "$weights"
damage 's/^vt map encoder_self 1 2/vt amp encoder_self 1 2/'  # with the same check sum
refused ': no such line: amp' "$map_log" compare "$damaged" "$weights"
damage 's/^vt map encoder_self 1 2/vt \x1b\x1bamp encoder_self 1 2/'  # two of a kind change no check sum
refused 'no such line: \x1b\x1bamp' "$map_log" compare "$damaged" "$weights"
damage 's/^vt map encoder_self 1 2/vt mp encoder_self 1 2/'
refused 'the check sum is wrong' "$map_log" compare "$damaged" "$weights"
{ sed 's/^vt end/v end/' "$weights" && cat "$weights"; } >"$damaged"
refused 'begin before the end of another result' "$map_log" compare "$damaged" "$weights"

for word in abcdefghijklmnopqr RADIUM a1 ''; do refused 'WORD must be 1 to 15 small letters' bash examples/embedded/run.sh "$word"; done
refused 'unknown option --wat' bash examples/embedded/run.sh --wat
if python3 -c '' 2>/dev/null; then
  refused 'unrecognized arguments: --wat' python3 examples/embedded/figures.py --wat
  accepted python3 examples/embedded/figures.py --help
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
