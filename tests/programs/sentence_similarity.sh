#!/usr/bin/env bash
# sentence_similarity PROGRAM: vectors as Transformers 5.23 and the folder's own pooling and case make them, on the weights of
# a golden BERT, and the folders that are refused.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
folder=$scratch/folder
mkdir -p "$folder/1_Pooling"
cp tests/golden/models/bert_0/{config.json,model.safetensors} "$folder"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' paris Paris {a..z} '##'{a..z} , . >"$folder/vocab.txt"
near() { # near WANTED...: the file's first numbers, at most 2e-6 away
  od -An -v -tf4 -w4 -j128 "$scratch/vectors.npy" | head -n $# | awk -v wanted="$*" '
    BEGIN { split(wanted, w) } { d = $1 - w[NR]; if (d > 2e-6 || d < -2e-6) { print "got " $1 ", not " w[NR]; bad = 1 } }
    END { exit bad || NR != length(w) }'
}
vector() { exits 0 --model "$folder" --embeddings "$scratch/vectors.npy" "$@"; }

echo '{"tokenizer_class": "BertTokenizer", "do_lower_case": true}' >"$folder/tokenizer_config.json"
check "the mean, of length 1" vector 'Paris, a b'
check "its numbers" near -0.33199188 -0.43189671 0.21689262 0.0895332
echo '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}' >"$folder/1_Pooling/config.json"
check "the first token's" vector 'Paris, a b'
check "its numbers" near -0.3109349 -0.44036807 0.21386626 0.07483048
rm -r "$folder/1_Pooling"

echo '{"tokenizer_class": "BertTokenizer", "do_lower_case": false}' >"$folder/tokenizer_config.json"
check "letters keep their case" vector Paris
differs() { ! near "$@" >/dev/null; }
check "another vector" differs -0.07756697 -0.43055245 0.11828934 -0.01119515
echo '{"max_seq_length": 8, "do_lower_case": true}' >"$folder/sentence_bert_config.json"
for word in Paris paris; do
  check "$word" vector "$word"
  check "$word's numbers" near -0.07756697 -0.43055245 0.11828934 -0.01119515
done

echo '[{"path": "", "type": "a.Transformer"}, {"path": "1_Pooling", "type": "a.Pooling"}, {"path": "2", "type": "a.CNN"}]' >"$folder/modules.json"
mkdir "$folder/1_Pooling" && echo '{}' >"$folder/1_Pooling/config.json"
check "a module that is not known" exits 2 --model "$folder" x
check "by its name" says '"a.CNN"'
check "a model's name on the hub" exits 2 --model no-such-owner/no-such-model x
check "the command that fetches it" says 'hf download no-such-owner/no-such-model --local-dir no-such-model'
check "--help" exits 0 --help
finish
