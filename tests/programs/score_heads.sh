#!/usr/bin/env bash
# score_heads PROGRAM: same bytes however it is run, a row for every line, whole rows after Ctrl-C, errors that name lines.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

head -120 $model/words.tsv | cut -f1 >"$scratch/words"
head -120 $model/words.tsv | cut -f2 >"$scratch/references"
run() { program --model $model "$@"; }

run <"$scratch/words" >"$scratch/all"
check "a header and a row for each line" [ "$(wc -l <"$scratch/all")" = 121 ]
check "four scores of 12 heads and the baseline" [ "$(head -1 "$scratch/all" | tr ',' '\n' | wc -l)" = 49 ]
for options in "--batch 1" "--batch 7 --threads 1" "--batch=1000"; do
  check "same bytes with $options" cmp -s "$scratch/all" <(run $options <"$scratch/words")
done
check "--skip goes on without a header" cmp -s "$scratch/all" \
  <(head -51 "$scratch/all"; run --skip 50 --batch 9 <"$scratch/words")
check "nothing is left to do" [ -z "$(run --skip 500 <"$scratch/words")" ]
check "an empty pool has a header" [ "$(run --score coverage --mean </dev/null)" = "coverage,negative_log_probability" ]

printf 'radium\n\n \t\nvitrine' >"$scratch/blanks"
run --score coverage,entropy --mean <"$scratch/blanks" >"$scratch/rows"
check "a blank line has empty fields, and the last line needs no end" \
  [ "$(sed 's/[0-9.]\{3,\}/x/g' "$scratch/rows")" = $'coverage,entropy,negative_log_probability\nx,x,x\n,,\n,,\nx,x,x' ]
printf 'radium\r\n' | run >"$scratch/windows"
check "Windows line ends" cmp -s "$scratch/windows" <(echo radium | run)

check "greedy is the default" cmp -s "$scratch/all" <(run --target greedy <"$scratch/words")
run --target "$scratch/references" <"$scratch/words" >"$scratch/given"
check "given targets" [ "$(wc -l <"$scratch/given")" = 121 ]
check "given targets are not greedy's" [ "$(cmp "$scratch/given" "$scratch/all" | wc -l)" = 1 ]
run --per-token --score entropy <"$scratch/words" |
  awk -F, 'NR > 1 { if ($2 == 0 && NR > 2) print ""; if ($3 != "</s>") printf "%s%s", $2 == 0 ? "" : " ", $3 } END { print "" }' >"$scratch/found"
check "the maps of a search are those of a pass over what it found" cmp -s "$scratch/all" <(run --target "$scratch/found" <"$scratch/words")
check "source as the target" [ "$(run --target source <"$scratch/words" | wc -l)" = 121 ]

echo '{"ids": [20, 3, 6, 11, 23, 15, 0]}' | run --input-format jsonl >"$scratch/ids"
check "JSON lines give what text gives" cmp -s "$scratch/ids" <(echo radium | run)

printf 'radium\nb4d\n\xff\n%s\nvitrine\n' "$(printf 'a%.0s' {1..70})" >"$scratch/bad"
status=0
run --mean --score coverage <"$scratch/bad" >"$scratch/rows" || status=$?
check "unusable lines end in 2" [ $status = 2 ]
check "unusable lines have empty fields" [ "$(grep -c '^,$' "$scratch/rows")" = 3 ]
for line in 2 3 4; do check "line $line is named" says "stdin:$line:"; done
head -119 "$scratch/references" >"$scratch/short"
status=0
run --target "$scratch/short" <"$scratch/words" >"$scratch/rows" || status=$?
check "the rows before it are whole" [ "$(wc -l <"$scratch/rows")" = 120 ]
check "fewer targets than lines" [ $status = 2 ]
check "the missing line is named" says "line 120 is missing"
status=0
run --target "$scratch/references" <"$scratch/short" >"$scratch/rows" || status=$?
check "more targets than lines" [ $status = 2 ]
check "the input's lines are named" says "has more lines than the input, which has 119"

# Ctrl-C while it waits for lines: 60 of 120 lines have come.
mkfifo "$scratch/fifo"
(head -60 "$scratch/words"; exec sleep 200) >"$scratch/fifo" &
feeder=$!
"$under_test" --model $model --batch 20 <"$scratch/fifo" >"$scratch/part" 2>"$scratch/stderr" &
running=$!
for _ in $(seq 1500); do [ "$(wc -l 2>/dev/null <"$scratch/part")" = 61 ] && break; sleep 0.1; done
kill -INT $running
status=0
wait $running || status=$?
kill $feeder
check "Ctrl-C asks for another try" [ $status = 75 ]
check "Ctrl-C leaves whole rows" cmp -s "$scratch/part" <(head -61 "$scratch/all")
check "Ctrl-C says how to go on" says "--skip 60"

# The largest memory that it ever had: after 120 lines, and after 1,200 more of the same.
if [ -r /proc/self/status ] && ! grep -q __asan_init "$under_test"; then  # a sanitizer keeps what is freed
  peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$running/status; }
  rows() { for _ in $(seq 600); do [ "$(wc -l <"$scratch/part")" = "$1" ] && break; sleep 0.1; done; }
  "$under_test" --model $model --batch 60 <"$scratch/fifo" >"$scratch/part" 2>"$scratch/stderr" &
  running=$!
  exec 3>"$scratch/fifo"
  cat "$scratch/words" >&3
  rows 121
  first=$(peak)
  for _ in {1..10}; do cat "$scratch/words" >&3; done
  rows 1321
  last=$(peak)
  exec 3>&-
  wait $running
  check "memory does not grow with the pool: $first kB, then $last kB" [ $((last - first)) -lt 4096 ]
fi

run --ablate <"$scratch/words" >"$scratch/ablated"
check "no scores beside it" exits 2 --model $model --ablate --mean
check "nor some of them" exits 2 --model $model --ablate --score entropy
check "a length without a search" exits 2 --model $model --target source --max-new-tokens 3
check "36 heads are switched off" [ "$(wc -l <"$scratch/ablated")" = 37 ]
check "the same with other batches" cmp -s "$scratch/ablated" <(run --ablate --batch 17 --threads 1 <"$scratch/words")
head -120 $model/words.tsv >"$scratch/pairs"
program --model $model --auc "$scratch/pairs" --mean >"$scratch/auc"
check "a row for each score, the baseline and the length" [ "$(wc -l <"$scratch/auc")" = 7 ]
check "wrong words are counted" says "greedy search gets"
check "an area needs both kinds in each half" says "the best head on odd lines"
printf 'radium\tR EY D IY AH M\nax\tZZ\n' >"$scratch/two"
program --model $model --auc "$scratch/two" >"$scratch/none"
check "else no head is chosen" says "the odd lines are all of one kind: no head is chosen"
check "--auc takes all lines" exits 2 --model $model --auc "$scratch/two" --skip 1

# The numbers themselves: score_heads_reference.py.
agrees() {  # KIND SKIPPED COMMAND...: what it prints behind so many lines is the reference's lines of that kind
  local kind=$1 skipped=$2
  shift 2
  "$@" | tail -n +$((skipped + 1)) >"$scratch/printed"
  grep "^$kind," tests/programs/score_heads_reference.csv | cut -d, -f2- | paste -d'|' - "$scratch/printed" | awk -F'|' '
    {n = split($1, right, ","); if (split($2, printed, ",") != n) wrong = 1
     for (i = 1; i <= n; ++i) {
       apart = right[i] - printed[i]; if (apart < 0) apart = -apart
       if (right[i] ~ /^-?[0-9.]+(e-?[0-9]+)?$/ ? apart > 2e-5 : right[i] != printed[i]) wrong = 1}}
    END {exit wrong || NR == 0}'
}
radium() { echo radium | run "$@"; }
token() { radium --per-token | sed -n 4p; }
three() { printf 'radium\nvitrine\nanhydride\n' | run --ablate; }
check "the scores of each head" agrees row 1 radium
check "behind another line, too" agrees row 2 run <<<$'vitrine\nradium'
check "those of a token" agrees token 0 token
check "what each head is worth" agrees ablate 1 three
check "the areas" agrees auc 1 program --model $model --auc "$scratch/pairs" --mean

check "--help" exits 0 --help
check "no model" exits 2
check "an unknown option" exits 2 --model $model --colour
check "it is named" says "there is no option --colour"
check "an unknown score" exits 2 --model $model --score coverage,beauty
check "the scores are listed" says "coverage, confidence, entropy, distraction"
check "a number out of range" exits 2 --model $model --batch 0
check "no such folder" exits 2 --model "$scratch/nothing"
check "no such target file" exits 2 --model $model --target "$scratch/nothing"
if [ -e /dev/full ]; then
  status=0
  run <"$scratch/words" >/dev/full || status=$?
  check "a full disk" [ $status = 2 ]
fi
finish
