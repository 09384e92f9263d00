#!/usr/bin/env bash
# inspect PROGRAM: every kind of model, every kind of output, lines and selections; errors that name lines.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
run() { program --model "$@"; }
members() { python3 -c 'import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist())' "$1"; }
row_count() { [ "$(wc -l <"$1")" = "$2" ] || { echo "$(wc -l <"$1") lines instead of $2"; return 1; }; }

run $model --statistics csv radium vitrine >"$scratch/csv"
check "36 heads of two words" row_count "$scratch/csv" 73
check "lines from stdin give the same" cmp -s "$scratch/csv" <(printf 'radium\nvitrine' | run $model --statistics csv)
run $model --weights int8 --statistics csv radium vitrine >"$scratch/int8"
check "int8: as many rows, other figures" row_count "$scratch/int8" 73
check "int8: the words apart give the same" cmp -s <(sed 1d "$scratch/int8" | sed -n 1,36p) <(run $model --weights int8 --statistics csv radium | sed 1d)
check "int8 is not float" test "$(cmp -s "$scratch/int8" "$scratch/csv"; echo $?)" = 1
for storage in bf16 f16; do
  run $model --weights $storage --statistics csv radium vitrine >"$scratch/$storage"
  check "$storage: as many rows" row_count "$scratch/$storage" 73
done
check "bf16 is not float" test "$(cmp -s "$scratch/bf16" "$scratch/csv"; echo $?)" = 1
check "f16 is, as the file has it" cmp -s "$scratch/f16" "$scratch/csv"
run $model radium >"$scratch/table"
check "a table without --maps" row_count "$scratch/table" 39
check "what was made of the word" [ "$(head -1 "$scratch/table")" = "radium → R EY D IY AH M" ]
run $model --statistics csv --kinds cross,decoder --layers 0,2 --heads 3 radium >"$scratch/csv"
check "a selection" [ "$(cut -d, -f2-4 "$scratch/csv" | tr '\n' ' ')" = \
  "kind,layer,head cross,0,3 cross,2,3 decoder,0,3 decoder,2,3 " ]

echo '{"ids": [20, 3, 0], "tokens": ["\u001b[2Jevil", "\n\n  cross", "</s>"]}' >"$scratch/hostile"
run $model --input-format jsonl <"$scratch/hostile" >"$scratch/table"
check "tokens cannot speak to the terminal, nor begin a line" row_count "$scratch/table" 39
check "nor escape" [ "$(grep -c $'\x1b' "$scratch/table")" = 0 ]

run $model --maps "$scratch/maps.npz" radium vitrine >"$scratch/nothing"
check "no table with --maps" [ ! -s "$scratch/nothing" ]
if python3 -c '' 2>/dev/null; then
  check "the archive's members" [ "$(members "$scratch/maps.npz" | tr ' ' '\n' | sort | tr '\n' ' ')" = \
    "0/cross.npy 0/decoder_self.npy 0/encoder_self.npy 0/source_tokens.npy 0/target_tokens.npy 1/cross.npy 1/decoder_self.npy 1/encoder_self.npy 1/source_tokens.npy 1/target_tokens.npy " ]
fi
printf 'R AA D\nV IY\n' >"$scratch/targets"
run $model --target "$scratch/targets" --statistics none --maps "$scratch/given.npz" radium vitrine
check "given targets give other maps" [ "$(cmp "$scratch/given.npz" "$scratch/maps.npz" 2>&1 | wc -l)" = 1 ]
run $model --maps "$scratch/page.html" --title 'two <words>' radium vitrine
check "the page" grep -q "<title>two &lt;words&gt;</title>" "$scratch/page.html"
run $model --maps "$scratch/bertviz.json" radium
check "BertViz" [ "$(head -c 34 "$scratch/bertviz.json")" = '{"attention":[{"name":"Encoder","a' ]
run $model --maps "$scratch/some.json" --layers 0,2 --heads 3 radium
check "BertViz, of some layers and heads" grep -qF '"include_heads":[3]' "$scratch/some.json"
check "both of the layers" grep -qF '"include_layers":[0,2]' "$scratch/some.json"

for one in bert_0:encoder distilbert_0:encoder gpt2_0:decoder bart_0:cross marian_0:cross; do
  echo '{"ids": [5, 6, 7, 8], "tokens": ["a", "b", "c", "</script>"]}' |
    run tests/golden/models/${one%:*} --input-format jsonl --statistics csv >"$scratch/csv"
  check "${one%:*} has maps of ${one#*:}" grep -q "^0,${one#*:},0,0," "$scratch/csv"
done

cp -r tests/golden/families/albert_0 "$scratch/seventy"  # layers that share their values: as many as wanted
sed -i 's/"num_hidden_layers": 3/"num_hidden_layers": 70/' "$scratch/seventy/config.json"
echo '{"ids": [5, 6], "tokens": ["a", "b"]}' |
  run "$scratch/seventy" --input-format jsonl --statistics csv --layers 1,64,69 --heads 3 >"$scratch/csv"
check "a selection of 70 layers" [ "$(cut -d, -f2-4 "$scratch/csv" | tr '\n' ' ')" = \
  "kind,layer,head encoder,1,3 encoder,64,3 encoder,69,3 " ]

if python3 -c 'import numpy' 2>/dev/null; then
  echo '{"ids": [5, 6], "tokens": ["a", "b"]}' >"$scratch/two"
  run tests/golden/models/gpt2_0 --input-format jsonl --maps "$scratch/gpt2.npz" <"$scratch/two"
  check "an npz of GPT-2 has labels of rows and columns" python3 - "$scratch/gpt2.npz" <<'END'
import sys, numpy
maps = numpy.load(sys.argv[1])
assert sorted(maps) == ["0/decoder_self", "0/decoder_self.key_tokens", "0/target_tokens"], sorted(maps)
assert maps["0/decoder_self.key_tokens"].tolist() == maps["0/target_tokens"].tolist() == ["a", "b"]
END
fi

status=0
printf 'radium\n\nb4d\nvitrine\n' | run $model --statistics csv --kinds cross --layers 0 --heads 0 >"$scratch/csv" || status=$?
check "an unusable line ends in 2" [ $status = 2 ]
check "the others are done, and keep their numbers" [ "$(cut -d, -f1 "$scratch/csv" | tr '\n' ' ')" = "example 0 3 " ]
check "it is named" says "stdin:3:"
printf 'radium\n\nb4d\nvitrine\n' | run $model --maps "$scratch/gaps.html"
check "the page has the same numbers" grep -qF '"numbers":[0,3]' "$scratch/gaps.html"
check "no words" [ -z "$(run $model --statistics text </dev/null)" ]

check "--help" exits 0 --help
check "no model" exits 2 radium
check "another kind of file" exits 2 --model $model --maps "$scratch/map.png" radium
check "a bad list" exits 2 --model $model --layers 0,x radium
check "a number that no set can hold" exits 2 --model $model --layers 0,4096 radium
check "the bound is said" says "--layers and --heads take numbers below 4096 joined by commas"
check "a head that is not there" exits 2 --model $model --heads 9 radium
check "it is said" says "a head that the model does not have"
check "text for a tokenizer that is not there" exits 2 --model tests/golden/models/gpt2_0 hello
check "what to do is said" says "--input-format jsonl"
check "targets where there are none" exits 2 --model tests/golden/models/gpt2_0 --input-format jsonl --target "$scratch/targets"
check "a kind of attention that a model has not" exits 2 --model tests/golden/models/bert_0 --input-format jsonl --kinds cross
check "what it has is said" says "of kind encoder only"
check "a length for what generates nothing" exits 2 --model tests/golden/models/bert_0 --input-format jsonl --max-new-tokens 3
check "fewer targets than lines" exits 2 --model $model --target "$scratch/targets" a b c
check "the line is named" says "line 3 is missing"
check "more targets than lines" exits 2 --model $model --target "$scratch/targets" a
check "the difference is named" says "has more lines than the input, which has 1"
check "a folder that cannot be written" exits 2 --model $model --maps "$scratch/nowhere/x.npz" radium
finish
