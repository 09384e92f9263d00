#!/usr/bin/env bash
# choose PROGRAM: the best rows of a table, of every length, at random; what it refuses.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
score_heads=$(dirname "$under_test")/score_heads
head -300 $model/words.tsv | cut -f1 >"$scratch/words"
"$score_heads" --quiet --model $model --with-text --mean <"$scratch/words" >"$scratch/scores"
check "line and text come first" [ "$(head -1 "$scratch/scores" | cut -d, -f1,2)" = "line,text" ]
check "lines count from 0, with their texts" [ "$(sed -n 2p "$scratch/scores" | cut -d, -f1,2)" = "0,$(head -1 "$scratch/words")" ]

program --by negative_log_probability --top 10 "$scratch/scores" >"$scratch/best"
check "the ten largest, in order" cmp -s <(sed 1d "$scratch/scores" | sort -t, -k7,7gr -s | head -10) <(sed 1d "$scratch/best")
check "stdin gives the same" cmp -s "$scratch/best" <(program --by negative_log_probability --top 10 <"$scratch/scores")
program --by confidence --top 10 --smallest "$scratch/scores" >"$scratch/smallest"
check "the ten smallest" cmp -s <(sed 1d "$scratch/scores" | sort -t, -k4,4g -s | head -10) <(sed 1d "$scratch/smallest")
program --by entropy --top 30 --how balanced "$scratch/scores" >"$scratch/balanced"
shares() { sed 1d "$1" | cut -d, -f2 | awk '{++n[length($0)]; ++all} END {for (l in n) print l, n[l] / all}' | sort -n; }
check "a balanced choice has the pool's lengths" [ -z "$(join <(shares "$scratch/scores") <(shares "$scratch/balanced") |
  awk '{d = $2 - $3; if (d > 0.034 || d < -0.034) print}')" ]
program --top 10 --how random "$scratch/scores" >"$scratch/random"
check "random lines" [ "$(sed 1d "$scratch/random" | sort -u | wc -l)" = 10 ]
check "the same again" cmp -s "$scratch/random" <(program --top 10 --how random "$scratch/scores")
check "others with another seed" [ -n "$(cmp "$scratch/random" <(program --top 10 --how random --seed 2 "$scratch/scores") 2>&1)" ]
check "quantiles" [ "$(program --quantiles --by entropy "$scratch/scores" | sed -n 6p | cut -d, -f1)" = 0.5 ]
printf 'a,b\n1,"x, ""y"""\n,z\n3,w' >"$scratch/table"
check "quoted fields, missing values last, lines numbered" [ "$(program --by a --top 3 "$scratch/table")" = $'line,a,b\n2,3,w\n0,1,"x, ""y"""\n1,,z' ]

check "no column" exits 2 --top 3 "$scratch/scores"
check "a column that is not there" exits 2 --by beauty --top 3 "$scratch/scores"
check "the columns are listed" says "there are line,text,coverage"
check "neither --top nor --quantiles" exits 2 --by entropy "$scratch/scores"
check "no such file" exits 2 --by entropy --top 3 "$scratch/nothing"
check "an empty table" exits 2 --by entropy --top 3 /dev/null
check "balanced without texts" exits 2 --by a --top 1 --how balanced "$scratch/table"
finish
