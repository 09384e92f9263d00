#!/usr/bin/env bash
# align PROGRAM: links of given pairs as translate draws them, both directions as one, errors that name lines.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
translate=$(dirname "$under_test")/translate
head -50 $model/words.tsv | cut -f1 >"$scratch/sources"
head -50 $model/words.tsv | cut -f2 >"$scratch/targets"
program --model $model --target "$scratch/targets" <"$scratch/sources" >"$scratch/links"
check "the links that translate --score has" cmp -s "$scratch/links" \
  <("$translate" --quiet --model $model --score "$scratch/targets" --alignments pharaoh <"$scratch/sources" | sed 's/.* ||| //')
check "it says which head" says "alignments: layer 1, head 1"
program --model $model --target "$scratch/targets" --quiet <"$scratch/sources" >"$scratch/again"
check "--quiet says nothing" [ ! -s "$scratch/stderr" ]
check "and changes nothing" cmp -s "$scratch/links" "$scratch/again"
program --model $model --target "$scratch/targets" --layer 0 --head 2 <"$scratch/sources" >"$scratch/other"
check "another head has other links" [ -n "$(cmp "$scratch/links" "$scratch/other" 2>&1)" ]

# given links of both directions
printf '0-0 1-1\n0-0 2-2\n\n' >"$scratch/forward"
printf '0-0 0-1 1-1\n0-0\n\n' >"$scratch/backward"
check "grow-diag-final-and of two files" [ "$(program --forward "$scratch/forward" --backward "$scratch/backward" | tr '\n' '|')" = "0-0 1-1|0-0 2-2||" ]
printf '0-x\n' >"$scratch/forward"
check "what is no link" exits 2 --forward "$scratch/forward" --backward "$scratch/backward"
check "is named" says '"0-x" is no link'

# two models: one letter each way is text for both
mkdir "$scratch/folder"
for file in config.json generation_config.json model.safetensors; do ln -s "$PWD/$model/$file" "$scratch/folder"; done
tr -d '\n' <$model/vocab.json | sed 's/"AA"/"xAA"/' >"$scratch/folder/vocab.json"
printf 'a\nb\n' >"$scratch/letters"
program --model $model --reverse "$scratch/folder" --target "$scratch/letters" --layer 1 --head 1 --reverse-layer 1 --reverse-head 1 \
  <"$scratch/letters" >"$scratch/both"
check "both directions of single letters" [ "$(tr '\n' '|' <"$scratch/both")" = "0-0|0-0|" ]
status=0
program --model $model --reverse $model --target "$scratch/targets" <"$scratch/sources" >"$scratch/both" || status=$?
check "a target that the other model cannot read" [ $status = 2 ]
check "is named" says "stdin:1: in the other direction"
check "and its line is blank" [ "$(tr -d '\n' <"$scratch/both")" = "" ]

for i in 0 1 2; do program --model $model --target "$scratch/targets" --input "$scratch/sources" --output "$scratch/out" --shard $i/3; done
check "three parts are one run" cmp -s <(program --merge "$scratch/out") "$scratch/links"
head -49 "$scratch/targets" >"$scratch/short"
check "fewer targets, with shards" exits 2 --model $model --target "$scratch/short" --input "$scratch/sources" --output "$scratch/out2"
check "are counted" says "has 49 lines, the input has 50"
check "no target" exits 2 --model $model
check "a head that is not there" exits 2 --model $model --target "$scratch/targets" --layer 3 --head 0
check "a layer alone" exits 2 --model $model --target "$scratch/targets" --layer 1
check "--version" [ "$(program --version | cut -d' ' -f1)" = align ]
finish
