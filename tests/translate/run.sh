#!/usr/bin/env bash
# translate PROGRAM: what goes in and what comes out, by lines, and how it ends. Run in the repository's root.
set -uo pipefail
program=$1
model=examples/models/g2p
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
under=$(realpath "$program") full=$PWD/$model

fail() { printf 'FAILED: %s\n' "$*"; failed=1; }
# expect NAME STATUS OUTPUT INPUT OPTION...: stdout and exit status; stderr stays in $scratch/err
expect() {
  local name=$1 status=$2 output=$3 input=$4 code=0
  shift 4
  printf "$input" | "$program" --model $model "$@" >"$scratch/out" 2>"$scratch/err" || code=$?
  [ $code -eq "$status" ] || fail "$name: exit $code, expected $status: $(tail -1 "$scratch/err")"
  cmp -s "$scratch/out" <(printf "$output") || fail "$name: printed $(cat "$scratch/out")"
}
# says NAME TEXT: stderr of the last call
says() { grep -qF -- "$2" "$scratch/err" || fail "$1: stderr does not say \"$2\": $(tail -1 "$scratch/err")"; }
lines() { printf "$1" | "$program" --model $model "${@:2}" 2>"$scratch/err"; }

expect words 0 'R EY D IY AH M\nAE N HH AY D R AY D\n' 'radium\nAnhydride\n'
expect 'no line end, then the end' 0 'R EY D IY AH M\n' 'radium'
expect 'Windows line ends' 0 'R EY D IY AH M\n' 'radium\r\n'
expect nothing 0 '' ''
expect 'blank lines' 0 '\n\nR EY D IY AH M\n\n' '\n\nradium\n  \n'

out=$(lines 'ax\nna\xefve\nx%%y\nax\n'); code=$?
[ $code -eq 2 ] || fail "unusable lines: exit $code"
[ "$out" = $'AE K S\n\n\nAE K S' ] || fail "unusable lines: $out"
says 'invalid UTF-8' 'stdin:2: is not UTF-8'
says 'unknown letters' 'has no "%", which "x%y" needs'
out=$(printf 'ax\n%s\nax\n' "$(head -c 80 /dev/zero | tr '\0' a)" | "$program" --model $model 2>"$scratch/err"); code=$?
[ $code -eq 2 ] && [ "$out" = $'AE K S\n\nAE K S' ] || fail "a line with too many letters: exit $code, $out"
says 'too many letters' 'has 81 tokens; the model has room for 64'
out=$({ echo ax; head -c 3000000 /dev/zero | tr '\0' a; echo; echo ax; } | "$program" --model $model 2>"$scratch/err"); code=$?
[ $code -eq 2 ] && [ "$out" = $'AE K S\n\nAE K S' ] || fail "an over-long line: exit $code"
says 'an over-long line' 'stdin:2: is longer than 1048576 bytes'

for option in --beams=0 '--beams 0' '--beams x' '--n-best 3 --beams 2' '--alignments weak' '--alignments 0' '--maps x.png' '--layer 1' \
  '--layer 3 --head 0 --alignments hard' '--layer 1 --head 0' --merge-words --drop-end '--score /dev/null --length-penalty 2' '--score /dev/null --max-new-tokens 2' '--nonsense' '--model nowhere' '--max-new-tokens 1000' '--score nowhere' '--input-format xml' '--beams'; do
  # shellcheck disable=SC2086
  echo ax | "$program" --model $model $option >"$scratch/out" 2>"$scratch/err"
  code=$?
  [ $code -eq 2 ] && [ ! -s "$scratch/out" ] || fail "$option: exit $code"
done
"$program" --help >"$scratch/out" && grep -q -- --alignments "$scratch/out" || fail --help

# n-best, scores and alignments as Marian writes them: the fields, their order and their digits
out=$(lines 'radium\n\n' --beams 4 --n-best 2 --alignments hard --word-scores)
[ "$(wc -l <<<"$out")" -eq 4 ] || fail "n-best: $out"
grep -qE '^0 \|\|\| R EY D IY AH M \|\|\| 0-0 1-1 2-2 3-3 4-4 5-5 6-6 \|\|\| WordScores=( -0\.[0-9]{5}){7} \|\|\| F0= -0\.[0-9]+ \|\|\| -0\.[0-9]+$' <<<"$out" ||
  fail "n-best: $out"
for penalty in 0 1 2; do  # F0 is the sum of the words' log-probabilities, the score that by the length^penalty, the end counted
  lines 'radium\n' --beams 4 --n-best 4 --word-scores --length-penalty $penalty | awk -F' [|][|][|] ' -v penalty=$penalty '
    {n = split($3, words, " "); sum = 0; for (i = 2; i <= n; ++i) sum += words[i]; f0 = substr($4, 5)
     if (NF != 5 || substr($4, 1, 4) != "F0= " || sum - f0 > 1e-4 || f0 - sum > 1e-4) exit 1
     score = f0 / (n - 1) ^ penalty; if (score - $5 > 1e-4 || $5 - score > 1e-4) exit 1}
    END {if (NR != 4) exit 1}' || fail "n-best: F0 and score with --length-penalty $penalty"
done
# the hypotheses are those of Transformers (num_beams=4, num_return_sequences=4), the best first
lines 'radium\n' --beams 4 --n-best 4 | awk -F' [|][|][|] ' '
  BEGIN {split("R EY D IY AH M|R AE D IY AH M|R EY D IY IH M|R AA D IY AH M", text, "|"); split("-0.0902395 -0.547137 -0.613252 -0.724876", score, " ")}
  $2 != text[NR] || $4 - score[NR] > 1e-5 || score[NR] - $4 > 1e-5 {exit 1} END {if (NR != 4) exit 1}' || fail "n-best: other hypotheses"
# their maps, numbered line * 4 + k, are those of the same target given
member() {  # FILE NAME BYTES: of an archive that compresses nothing
  local at
  at=$(LC_ALL=C grep -abo "$2" "$1" | head -1 | cut -d: -f1)
  tail -c +$((at + ${#2} + 1)) "$1" | head -c "$3"
}
lines 'ax\nradium\n' --beams 4 --n-best 4 --maps "$scratch/four.npz" >"$scratch/out"
for k in 0 1 2 3; do
  sed -n "$((5 + k))p" "$scratch/out" | awk -F' [|][|][|] ' '{print $2}' >"$scratch/target"
  lines 'radium\n' --score "$scratch/target" --maps "$scratch/one.npz" >/dev/null
  size=$((128 + 4 * 12 * 7 * ($(wc -w <"$scratch/target") + 1)))
  cmp -s <(member "$scratch/one.npz" 0/cross.npy $size) <(member "$scratch/four.npz" $((4 + k))/cross.npy $size) || fail "n-best: the maps of hypothesis $k"
done
[ "$(lines 'ax\n' --alignments pharaoh)" = 'AE K S ||| 0-0 1-1 1-2' ] || fail pharaoh
[ "$(lines 'ax\n' --alignments 0.5)" = 'AE K S ||| 0-0 1-1 1-2 2-3' ] || fail threshold
lines 'ax\n' --alignments soft | awk -F' [|][|][|] ' '{n = split($2, groups, " "); exit !(n == 4 && split(groups[1], w, ",") == 3)}' ||
  fail soft
printf 'AE K S\n' >"$scratch/target"
for options in "--word-scores" "--word-scores --score $scratch/target"; do  # the end's score stays, its row goes
  lines 'ax\n' --alignments soft --drop-end $options |
    awk -F' [|][|][|] ' '{rows = split($2, groups, " "); scores = split($3, words, " ") - 1; exit !(rows == 3 && scores == 4)}' ||
    fail "--drop-end $options"
done
[ "$(lines 'ax\n' --alignments hard --layer 0 --head 2)" != "$(lines 'ax\n' --alignments hard)" ] || fail "a head by number"

# a source without an end mark keeps its last token
printf '{"ids": [20, 3, 6, 11, 23, 15]}\n' | "$program" --model $model --input-format jsonl --alignments pharaoh >"$scratch/out" 2>/dev/null
printf '{"ids": [20, 3, 6, 11, 23, 15]}\n' | "$program" --model $model --input-format jsonl --alignments hard >"$scratch/hard" 2>/dev/null
grep -q ' 5-5 ' "$scratch/out" && grep -q ' 5-5 ' "$scratch/hard" || fail "pharaoh without an end mark: $(cat "$scratch/out" "$scratch/hard")"

# the marks around text are no words: byte-level pieces without a blank in front are one
printf '{"ids": [0, 5, 6, 7, 8, 2], "tokens": ["<s>", "un", "bel", "iev", "able", "</s>"]}\n' >"$scratch/source"
printf '{"ids": [0, 9, 10, 11, 2], "tokens": ["<s>", "in", "cr", "oyable", "</s>"]}\n' >"$scratch/target"
marks() {
  "$program" --quiet --model tests/golden/models/bart_0 --input-format jsonl --score "$scratch/target" --layer 0 --head 0 "$@" <"$scratch/source"
}
marks --alignments pharaoh --merge-words | grep -qF '"alignment":"0-0"' || fail "pharaoh of one word: $(marks --alignments pharaoh --merge-words)"
marks --alignments pharaoh | grep -qE '"alignment":"[0-3]-[0-2] [0-3]-[0-2] [0-3]-[0-2]"' || fail "pharaoh without marks: $(marks --alignments pharaoh)"

# a search that finds fewer hypotheses than asked for, since the end is forced
for options in '--alignments hard' '--alignments soft' '--alignments pharaoh' '--maps x.html --drop-end' '--input-format jsonl'; do
  line=ax
  [[ $options != *jsonl ]] || line='{"ids": [3, 26, 0]}'
  # shellcheck disable=SC2086
  (cd "$scratch" && echo "$line" | "$under" --model "$full" --beams 4 --n-best 4 --max-new-tokens 1 $options >"$scratch/out" 2>"$scratch/err")
  code=$?
  [ $code -eq 0 ] && [ "$(wc -l <"$scratch/out")" = 4 ] || fail "few hypotheses, $options: exit $code"
done

# the head that nobody named is chosen by the first lines, however they are computed
awk 'BEGIN {srand(1); for (i = 0; i < 200; ++i) {printf "{\"ids\": ["; n = 1 + int(rand() * 12); for (j = 0; j < n; ++j) printf "%d, ", 3 + int(rand() * 20); print "0]}"}}' >"$scratch/many"
for tokens in 1 16 64 2048; do
  "$program" --model tests/golden/models/marian_0 --input-format jsonl --max-new-tokens 8 --alignments hard --batch-tokens $tokens <"$scratch/many" 2>"$scratch/err" | md5sum
  grep '^alignments:' "$scratch/err"
done | sort | uniq -c >"$scratch/same"
[ "$(wc -l <"$scratch/same")" = 2 ] || fail "the chosen head depends on the batches: $(cat "$scratch/same")"

# teacher forcing gives the scores that the search had, and takes blank lines
printf 'R EY D IY AH M\n\nAE K S\n' >"$scratch/targets"
forced=$(lines 'radium\n\nax\n' --score "$scratch/targets" --word-scores)
free=$(lines 'radium\n\nax\n' --word-scores)
[ "$(cut -d= -f2 <<<"$forced")" = "$(cut -d= -f2 <<<"$free")" ] || fail "scores: $forced and $free"
lines 'radium\n' --score "$scratch/targets" >/dev/null; [ $? -eq 2 ] || fail "more targets than lines"
says 'more targets than lines' 'has more lines than the input, which has 1'
out=$(lines 'a\nb\nc\nd\n' --score "$scratch/targets"); [ $? -eq 2 ] || fail "fewer targets than lines"
says 'fewer targets than lines' 'has fewer lines than the input: line 4 is missing'
[ "$(wc -l <<<"$out")" = 3 ] || fail "the lines that have targets are scored first: $out"
[ "$(lines 'ax\n\n' --n-best 3 | grep -c '^1 |||$')" = 3 ] || fail "as many lines for a blank one"
[ "$(printf '\n{"ids": [5, 3, 0]}\n' | "$program" --model $model --input-format jsonl --n-best 2 2>/dev/null | cut -c1-6 | tr '\n' '|')" = '||{"ids"|{"ids"|' ] ||
  fail "blank lines among JSON"

# a token that holds line breaks: still one line out for one line in, here and as JSON
mkdir "$scratch/broken"
for file in config.json generation_config.json model.safetensors; do ln -s "$PWD/$model/$file" "$scratch/broken"; done
sed 's/"AE"/"A\\r\\nE"/' $model/vocab.json >"$scratch/broken/vocab.json"
[ "$(echo ax | "$program" --model "$scratch/broken" 2>/dev/null)" = 'A␍⏎E K S' ] || fail "a token with line breaks"
[ "$(echo '{"ids": [3, 26, 0]}' | "$program" --model "$scratch/broken" --input-format jsonl 2>/dev/null | wc -l)" = 1 ] ||
  fail "JSON of a token with line breaks"

# JSON lines: ids in, ids out, one object a line
out=$(printf '{"ids": [20, 3, 6, 0]}\n\n{"ids": [3, 999]}\nnot json\n' | "$program" --model $model --input-format jsonl 2>"$scratch/err"); code=$?
[ $code -eq 2 ] && [ "$(wc -l <<<"$out")" -ge 1 ] || fail "jsonl: exit $code"
grep -q '"ids":\[56,30,37,0\]' <<<"$out" || fail "jsonl: $out"
says 'jsonl, an id' 'has the id 999'
says 'jsonl, no JSON' 'stdin:4:'

# maps: in all three forms, and the same whatever is computed together
for form in npz html json; do
  lines 'radium\nax\n' --maps "$scratch/maps.$form" >/dev/null && [ -s "$scratch/maps.$form" ] || fail "--maps $form"
done
lines 'radium\nax\n' --maps "$scratch/alone.npz" --batch-tokens 1 --threads 1 >/dev/null
cmp -s "$scratch/maps.npz" "$scratch/alone.npz" || fail "maps differ with the batch"
lines 'radium\n\nax\n' --maps "$scratch/gaps.html" >/dev/null
grep -qF '"numbers":[0,2]' "$scratch/gaps.html" || fail "the page does not number its examples by lines"
head -100 $model/words.tsv | cut -f1 >"$scratch/words"
one=$("$program" --model $model --beams 2 --word-scores <"$scratch/words" 2>/dev/null | md5sum)
two=$("$program" --model $model --beams 2 --word-scores --batch-tokens 40 --threads 1 <"$scratch/words" 2>/dev/null | md5sum)
[ "$one" = "$two" ] || fail "lines differ with the batch"

# a page of many short examples: at most 1.4 bytes for each of its weights (12 maps of each kind) and 1 MB, in fact less
head -400 $model/words.tsv | cut -f1 >"$scratch/in"
"$program" --model $model --maps "$scratch/many.html" <"$scratch/in" >"$scratch/out" 2>/dev/null
paste -d'|' "$scratch/in" "$scratch/out" | awk -F'|' -v bytes="$(wc -c <"$scratch/many.html")" '
  {s = length($1) + 1; t = split($2, sounds, " ") + 1; weights += 12 * (s * s + t * t + t * s)}
  END {print bytes " bytes for " weights " weights"; exit !(NR == 400 && bytes <= 1.4 * weights + 131072)}' >"$scratch/said" ||
  fail "a page of 400 words: $(cat "$scratch/said")"

# --step: a picture for each token, one row longer than the one before; the last row's largest weight is where hard links go
step=$(lines 'ax\n\nradium\n' --step); code=$?
[ $code -eq 0 ] || fail "--step: exit $code"
[ "$(grep -c 'to 100% of 1$' <<<"$step")" = 11 ] || fail "--step: not 4 and 7 pictures: $step"
[ "$(grep -cF 'AE ' <<<"$step")" = 5 ] || fail "--step: the first row is not in each of 4 pictures and the line out: $step"
[ "$(grep -E '^[A-Z]+( [A-Z]+)*$|^$' <<<"$step" | tr -s '\n')" = $'\nAE K S\nR EY D IY AH M' ] || fail "--step: the lines out: $step"
[ "$(awk 'NR >= 17 && NR <= 20 {print $1, $(NF - 1)}' <<<"$step" | tr '\n' ' ')" = 'AE a K x S x </s> </s> ' ] || fail "--step: links: $step"
! grep -q $'\x1b' <<<"$step" || fail "--step: escape codes without a terminal"
if script -qec true /dev/null >/dev/null 2>&1; then  # a terminal of its own can be had
  echo ax >"$scratch/in"
  TERM=xterm script -qec "'$program' --model $model --step --layer 1 --head 1 <'$scratch/in'" /dev/null >"$scratch/out"
  [ "$(grep -c $'\x1b''\[[345]A'$'\x1b''\[J' "$scratch/out")" = 3 ] || fail "--step on a terminal: $(cat -v "$scratch/out")"
fi
for option in '--beams 4' '--alignments hard' '--maps x.npz' '--length-penalty 1' --word-scores --merge-words --drop-end; do
  # shellcheck disable=SC2086
  expect "--step $option" 2 '' 'ax' --step $option
done


# Output that is lost is an error, at the end or in the middle.
status=0
"$program" --model $model <&- >"$scratch/out" 2>"$scratch/err" || status=$?
[ $status -eq 2 ] || fail "no stdin: exit $status"
says "no stdin" "the input cannot be read"
if [ -e /dev/full ]; then
  for lines in 1 200; do
    status=0
    yes ax | head -n $lines | "$program" --model "$model" >/dev/full 2>"$scratch/err" || status=$?
    [ $status = 2 ] && grep -q 'cannot be written' "$scratch/err" || fail "$lines lines to a full disk: exit $status"
  done
fi
[ "$(echo ax | "$program" --model "$model" --alignments 1)" = "$(echo ax | "$program" --model "$model" --alignments hard)" ] ||
  fail "--alignments 1 is not hard"

[ $failed -eq 0 ] && echo "translate: all as expected"
exit $failed
