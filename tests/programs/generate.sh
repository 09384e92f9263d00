#!/usr/bin/env bash
# generate PROGRAM: what Transformers makes of a prompt; same bytes however it is run; streams, sampling, maps; errors that name lines.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

# A Llama of 97 ids as Transformers made it, and a tokenizer for it: id 30 + n is the character with the code n, 2 the blank.
mkdir "$scratch/llama"
cp tests/golden/families/llama_0/{config.json,generation_config.json,model.safetensors} "$scratch/llama"
awk 'BEGIN {
  printf "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 0, \"content\": \"<s>\", \"special\": true}, {\"id\": 1, \"content\": \"</s>\", \"special\": true}], "
  printf "\"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}, "
  printf "\"post_processor\": null, \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true}, "
  printf "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
  printf "\"fuse_unk\": false, \"byte_fallback\": false, \"ignore_merges\": false, \"merges\": [], \"vocab\": {\"<s>\": 0, \"</s>\": 1, \"\\u0120\": 2"
  for (i = 33; i < 127; ++i) printf ", \"\\u%04x\": %d", i, i - 30
  print "}}}"
}' >"$scratch/llama/tokenizer.json"
run() { program --model "$scratch/llama" "$@"; }
prompt='jnJ(D^Sh{'

# tests/golden/families/llama_0/expect.safetensors
check "greedy search is Transformers'" [ "$(run --greedy --max-new-tokens 9 "$prompt")" = "${prompt}Wuxd {F4E" ]
check "beam search, too" [ "$(run --beams 4 --max-new-tokens 9 "$prompt")" = "${prompt}W.;'*{1h" ]
for storage in bf16 f16 int8; do
  check "$storage: the same however it is run" cmp -s <(run --weights $storage --greedy "$prompt" a) <(run --weights $storage --greedy --batch 1 --threads 1 "$prompt" a)
done
check "f16 is Transformers' here, too" [ "$(run --weights f16 --greedy --max-new-tokens 9 "$prompt")" = "${prompt}Wuxd {F4E" ]
check "int8 is other weights" [ "$(cmp <(run --weights int8 --input-format jsonl <<<'{"ids": [76, 80]}') <(run --input-format jsonl <<<'{"ids": [76, 80]}') | wc -l)" = 1 ]
check "no such storage" exits 2 --model "$scratch/llama" --weights int4 "$prompt"
ids='{"ids": [76, 80, 44, 10, 38, 64, 53, 74, 93]}'
check "ids in, ids out" \
  [ "$(run --input-format jsonl --max-new-tokens 9 <<<"$ids" | sed 's/.*"ids":\([^]]*]\).*/\1/')" = "[57,87,90,70,2,93,40,22,39]" ]

printf '%s\n' "$prompt" a "" "two words" "a line that is longer than the others" "Wux" >"$scratch/lines"
run <"$scratch/lines" >"$scratch/all"
check "a line for each line" [ "$(wc -l <"$scratch/all")" = 6 ]
check "a blank line for a blank line" [ -z "$(sed -n 3p "$scratch/all")" ]
check "each begins with its prompt" cmp -s "$scratch/lines" <(cut -c 1-37 "$scratch/all" | awk -v file="$scratch/lines" '{
  getline line <file; print substr($0, 1, length(line)) }')
for options in "--batch 1" "--batch-tokens 40 --threads 1" "--stream" "--stream --threads 1"; do
  check "same bytes with $options" cmp -s "$scratch/all" <(run $options <"$scratch/lines")
done
check "prompts as words" cmp -s <(sed -n 1,2p "$scratch/all") <(run "$prompt" a)
check "--prompt" cmp -s <(sed -n 1,2p "$scratch/all") <(run --prompt "$prompt" a)
check "--skip-prompt" [ "$prompt$(run --skip-prompt "$prompt")" = "$(sed -n 1p "$scratch/all")" ]
check "--skip-prompt streams" cmp -s <(run --skip-prompt <"$scratch/lines") <(run --skip-prompt --stream <"$scratch/lines")
run --input "$scratch/lines" --output "$scratch/parts" --shard 0/1
check "parts" cmp -s "$scratch/all" "$scratch/parts/part-00000.txt"

run --sample --seed 4 <"$scratch/lines" >"$scratch/sampled"
check "sampling is another search" [ "$(cmp "$scratch/all" "$scratch/sampled" | wc -l)" = 1 ]
for options in "--batch 1" "--batch-tokens 40 --threads 1" "--stream"; do
  check "the same samples with $options" cmp -s "$scratch/sampled" <(run --sample --seed 4 $options <"$scratch/lines")
done
check "another seed" [ "$(cmp "$scratch/sampled" <(run --sample --seed 5 <"$scratch/lines") | wc -l)" = 1 ]
check "one candidate is no choice" cmp -s "$scratch/all" <(run --sample --top-k 1 <"$scratch/lines")

run --maps "$scratch/maps.npz" --stream <"$scratch/lines" >"$scratch/mapped"
check "the same text with maps" cmp -s "$scratch/all" "$scratch/mapped"
if python3 -c 'import numpy' 2>/dev/null; then
  check "maps of prompt and continuation" python3 - "$scratch/maps.npz" <<'END'
import sys, numpy
maps = numpy.load(sys.argv[1])
own = maps["0/decoder_self"]
length = len(maps["0/target_tokens"])
assert own.shape[2:] == (length, length) == (28, 28), own.shape
assert numpy.allclose(own.sum(-1), 1, atol=1e-5) and (numpy.triu(own[0, 0], 1) == 0).all()
assert sorted({name.split("/")[0] for name in maps}) == ["0", "1", "3", "4", "5"]
END
fi
run --maps "$scratch/page.html" "$prompt" >"$scratch/mapped"
check "the page" grep -q "<title>llama</title>" "$scratch/page.html"

status=0
printf 'a\n\xff\nWux\n' | run >"$scratch/rows" || status=$?
check "unusable lines end in 2" [ $status = 2 ]
check "unusable lines have blank lines" cmp -s "$scratch/rows" <(sed -n '2p;3p;6p' "$scratch/all")
check "no UTF-8" says "stdin:2: is not UTF-8"
check "rotary positions go on" [ "$(run --max-new-tokens 60 abcdefghi | wc -m)" -gt 64 ]  # max_position_embeddings

check "--help" exits 0 --help
check "--version" exits 0 --version
check "--quiet" exits 0 --quiet --model "$scratch/llama" a
check "nothing on stderr" [ ! -s "$scratch/stderr" ]
check "no model" exits 2 a
check "a model with an encoder" exits 2 --model $model a
check "says so" says "is of the family marian, which continues no text"
for options in "--greedy --sample" "--beams 2 --sample" "--stream --beams 2" "--greedy --top-k 3" "--temperature 0" "--top-p 2" \
  "--maps x.png" "--maps x.npz --output y" "--input-format jsonl --skip-prompt"; do
  check "$options" exits 2 --model "$scratch/llama" $options a
done
check "sampling's options" exits 2 --model "$scratch/llama" --temperature 0.5 a
check "are for sampling" says "--temperature is for --sample"
finish
