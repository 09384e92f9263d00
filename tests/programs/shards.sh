#!/usr/bin/env bash
# shards SCORE_HEADS: parts of a corpus through the program: equal to one run, taken up after SIGTERM, every fault found and
# named; compressed input; merging, the best lines, the other programs' parts.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
examples=$(dirname "$under_test")
for _ in 1 2 3; do cut -f1 $model/words.tsv; done | head -600 >"$scratch/pool"
sed -i '7s/.*//; 200s/.*/b4d/' "$scratch/pool"
options="--model $model --mean --threads 1"
out=$scratch/out
shard() { program $options --input "$scratch/pool" --output "$out" --checkpoint-every 100 --shard "$@"; }
merged() { program --merge "$out" >"$scratch/merged"; }
refuses() { program --merge "$out" >"$scratch/merged"; [ $? = 2 ] && [ ! -s "$scratch/merged" ]; }

program $options <"$scratch/pool" >"$scratch/whole"
check "a line that cannot be used: exit 2" [ $? = 2 ]
for i in 0 1 2 3 4; do shard $i/5 2>/dev/null; done
merged
check "a merge with an unusable line: exit 2" [ $? = 2 ]
check "it is counted" says "1 lines could not be used"
check "five parts are one run" cmp -s "$scratch/merged" "$scratch/whole"
check "the line is in part-00001.bad" grep -qF $'200\t' "$out/part-00001.bad"
program $options --input "$scratch/pool" --output "$out/one"
check "one part too" cmp -s <(program --merge "$out/one") "$scratch/whole"
check "--index is kept" [ -s "$scratch/pool.vitrine-index" ]

cp "$scratch/pool" "$scratch/other"
mkdir "$scratch/other.vitrine-index"
check "an index that cannot be kept" exits 2 --input "$scratch/other" --index
check "is named" says "other.vitrine-index: cannot be written; without it every shard reads the whole input first"

before=$(stat -c %Y.%i "$out/part-00002.csv")
shard 2/5
check "a finished part is left alone" [ "$before" = "$(stat -c %Y.%i "$out/part-00002.csv")" ]

# SIGTERM: the next row, exit 75, and on from there
rm -r "$out"
"$under_test" $options --quiet --input "$scratch/pool" --output "$out" --batch 10 --checkpoint-every 10 --shard 0/1 2>"$scratch/stderr" &
running=$!
for _ in $(seq 500); do [ -s "$out/part-00000.checkpoint" ] && break; sleep 0.02; done
kill -TERM $running
status=0
wait $running || status=$?
check "SIGTERM asks for another try" [ $status = 75 ]
check "and says where it is" says "the same command goes on"
done_before=$(sed -n 's/.*"end_line": \([0-9]*\).*/\1/p' "$out/part-00000.checkpoint")
check "a checkpoint in the middle: $done_before" test "$done_before" -gt 0 -a "$done_before" -lt 600
check "not finished, not merged" refuses
shard 0/1
check "the rest makes one run" cmp -s <(program --merge "$out") "$scratch/whole"

# faults
rm -r "$out"
for i in 0 1 2; do shard $i/3 2>/dev/null; done
truncate -s 1000 "$out/part-00001.csv"
check "a truncated part" refuses
check "is named" says "part-00001.csv has 1000 bytes, its manifest says"
shard 1/3 2>"$scratch/stderr"
sed -i '5s/1/2/' "$out/part-00002.csv"
check "an edited part" refuses
check "is named" says "part-00002.csv was changed"
shard 2/3 2>"$scratch/stderr"
rm "$out/part-00000.json"
check "a missing part" refuses
check "is named" says "part 0 of 3 is missing"
shard 0/3 2>"$scratch/stderr"
cp -r $model "$scratch/changed"
printf '\n' >>"$scratch/changed/vocab.json"
options="--model $scratch/changed --mean --threads 1" shard 1/3
check "another model" [ $? = 2 ]
check "is named" says "was made by another model"
options="--model $model --threads 1" shard 1/3
check "other options" [ $? = 2 ]
check "are named" says "was made with other options"
cp "$scratch/pool" "$scratch/before"
echo more >>"$scratch/pool"
shard 1/3
check "a changed input" [ $? = 2 ]
check "is named" says "was made of another input"
cp "$scratch/before" "$scratch/pool"
merged
check "all that did no harm" cmp -s "$scratch/merged" "$scratch/whole"
check "other program's parts" exits 2 --merge "$scratch"
(program --merge "$out" >/dev/null; "$examples/translate" --merge "$out") >/dev/null 2>"$scratch/stderr"
check "another program does not merge them" says "holds parts of score_heads"
touch "$scratch/file"
check "a folder that cannot be" exits 2 $options --input "$scratch/pool" --output "$scratch/file/x"
check "is named" says "cannot be created"
if [ "$(id -u)" != 0 ]; then
  mkdir -m 555 "$scratch/closed"
  check "a read-only folder" exits 2 $options --input "$scratch/pool" --output "$scratch/closed"
fi
if mkdir "$scratch/small" && mount -t tmpfs -o size=16k none "$scratch/small" 2>/dev/null; then
  program $options --input "$scratch/pool" --output "$scratch/small"
  check "a full disk" [ $? = 2 ]
  check "is named" says "No space left on device"
  umount "$scratch/small"
fi

# ways in
gzip -kf "$scratch/pool"
check "gzip" cmp -s <(program $options --input "$scratch/pool.gz") "$scratch/whole"
program $options --input "$scratch/pool.gz" --output "$scratch/gz" --shard 1/2
check "a shard of gzip" grep -qF '"end_line": 600' "$scratch/gz/part-00001.json"
SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_MIN=2 SLURM_ARRAY_TASK_MAX=4 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=2 \
  program $options --input "$scratch/pool" --output "$scratch/slurm" --shard slurm
check "a SLURM array's second task of two" grep -qF '"first_line": 300' "$scratch/slurm/part-00001.json"
for bad in "--shard 3/3" "--shard x" "--shard 0/2 --output $out" "--output $out" "--output $out --input -" "--merge $out --input $scratch/pool" \
  "--allow-mixed" "--index" "--top 3" "--merge $out --by entropy" "--merge $out --top 3" "--overwrite" "--merge $out --top 3 --by beauty"; do
  # shellcheck disable=SC2086
  check "refused: $bad" exits 2 --model $model $bad
done

# what to label first
program --merge "$out" --top 3 --by entropy >"$scratch/top"
check "the three largest" [ "$(sed 1d "$scratch/whole" | cut -d, -f3 | sort -gr | head -3)" = "$(sed 1d "$scratch/top" | cut -d, -f4)" ]
check "quantiles" [ "$(program --merge "$out" --quantiles --by entropy | wc -l)" = 10 ]

# the others
for one in "translate --alignments pharaoh" "inspect --statistics csv --kinds cross"; do
  # shellcheck disable=SC2086
  head -60 "$scratch/before" | "$examples/"$one --quiet --model $model >"$scratch/whole" 2>"$scratch/stderr"
  head -60 "$scratch/before" >"$scratch/few"
  for i in 0 1 2 3; do "$examples/"$one --quiet --model $model --input "$scratch/few" --output "$scratch/${one%% *}" --shard $i/4; done
  check "$one: four parts are one run" cmp -s <("$examples/${one%% *}" --quiet --merge "$scratch/${one%% *}") "$scratch/whole"
done
finish
