#!/usr/bin/env bash
# kills SCORE_HEADS: eight shards at once, their processes killed (SIGKILL) at random moments and started again until all are done, then
# merged: the bytes of one run. Two rounds of that and more until KILLS processes (50) were killed. Then two at once on one shard, and the memory of
# a pool of LINES lines (100,000) beside that of 10,000.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
wanted=${KILLS:-50}
for _ in 1 2 3 4 5 6 7 8; do cut -f1 $model/words.tsv; done >"$scratch/pool"
options="--model $model --mean --threads 1 --quiet"
program $options --batch 64 <"$scratch/pool" >"$scratch/whole"

# shard I/N FOLDER [COMMAND...]: that shard's task, through a command such as timeout.
shard() { "${@:3}" "$under_test" $options --batch 32 --checkpoint-every 64 --input "$scratch/pool" --output "$2" --shard "$1"; }
start=${EPOCHREALTIME/./}
check "a shard alone" shard 0/8 "$scratch/alone"
span=$((${EPOCHREALTIME/./} - start)) # microseconds: by then a task on an idle machine has ended

# until_done I FOLDER SEED: kills shard I's task at a moment of its time, again and again, later and later, until one was left alone.
until_done() {
  local status try limit
  RANDOM=$3
  for try in $(seq 400); do
    limit=$(awk -v random=$RANDOM -v span=$span -v try="$try" 'BEGIN {printf "%.3f", 0.005 + random / 32768 * span / 1e6 * (1 + try / 8)}')
    status=0
    shard "$1/8" "$2" timeout -s KILL "$limit" || status=$?
    case $status in
      0) return ;;
      124 | 137) echo "$1" >>"$scratch/kills" ;;
      75) sleep 0.01 ;;
      *) echo "exit $status"; return 1 ;;
    esac
  done
  return 1
}
touch "$scratch/kills"
round=0
while { [ "$(wc -l <"$scratch/kills")" -lt "$wanted" ] || [ $round -lt 2 ]; } && [ $round -lt 50 ]; do
  round=$((round + 1))
  out=$scratch/out$round tasks=()
  rm -f "$scratch/pool.vitrine-index" # the first tasks make it, all at once
  for i in 0 1 2 3 4 5 6 7; do
    until_done $i "$out" $((${SEED:-1} + 8 * round + i)) >"$scratch/said$i" 2>&1 &
    tasks+=($!)
  done
  for i in 0 1 2 3 4 5 6 7; do check "round $round, shard $i: $(cat "$scratch/said$i")" wait "${tasks[$i]}"; done
  check "round $round: merged, the bytes of one run" cmp -s <(program --merge "$out" --quiet) "$scratch/whole"
  left=$(find "$out" -name '*.tmp' -o -name '*.checkpoint' -o -name '*.lock')
  check "round $round: nothing is left over: $left" [ -z "$left" ]
done
kills=$(wc -l <"$scratch/kills")
check "at least $wanted kills: $kills in $round rounds" [ "$kills" -ge "$wanted" ]
echo "figure: $kills kills over $round rounds of 8 shards at once; every merge has the bytes of one run"

# Two at once on one shard: one does it, the other asks for another try or finds it done.
out=$scratch/both
for _ in 1 2 3; do
  "$under_test" $options --input "$scratch/pool" --output "$out" --shard 0/8 2>>"$scratch/stderr" &
done
for _ in 1 2 3; do
  status=0
  wait -n || status=$?
  check "one of three at once: exit $status" test $status = 0 -o $status = 75
done
check "the part is right" cmp -s "$out/part-00000.csv" "$scratch/out1/part-00000.csv"

# Memory: ten thousand lines, and as many as LINES says (1,000,000 by default takes minutes).
if [ -r /proc/self/status ] && ! grep -q __asan_init "$under_test"; then
  peak() {  # LINES
    yes "$(cat "$scratch/pool")" | head -"$1" >"$scratch/long"
    /usr/bin/env python3 - "$under_test" "$scratch/long" "$scratch/memory$1" <<'END'
import resource, subprocess, sys
subprocess.run([sys.argv[1], "--model", "examples/models/g2p", "--target", "source", "--score", "entropy", "--mean", "--quiet",
                "--input", sys.argv[2], "--output", sys.argv[3], "--threads", "1"], check=True, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
  }
  few=$(peak 10000) many=$(peak "${LINES:-100000}")
  check "memory is flat: $few kB for 10,000 lines, $many kB for ${LINES:-100000}" [ $((many * 10)) -le $((few * 11)) ]
  echo "figure: peak memory $few kB for 10000 lines, $many kB for ${LINES:-100000}"
fi
finish
