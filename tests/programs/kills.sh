#!/usr/bin/env bash
# kills SCORE_HEADS: eight shards, killed (SIGKILL) at random moments, started again until all are done, merged: the bytes of
# one run. Three rounds with at least 60 kills together. And the memory of a long pool.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
RANDOM=${SEED:-1}
for _ in 1 2 3 4 5 6 7 8; do cut -f1 $model/words.tsv; done >"$scratch/pool"
options="--model $model --mean --threads 1 --quiet"
program $options --batch 64 <"$scratch/pool" >"$scratch/whole"
kills=0 again=0
for round in 1 2 3; do
  out=$scratch/out$round
  left=(0 1 2 3 4 5 6 7)
  for try in $(seq 400); do
    [ ${#left[@]} -gt 0 ] || break
    still=()
    for i in "${left[@]}"; do
      limit=$(awk -v r=$RANDOM -v t="$try" 'BEGIN {printf "%.3f", 0.02 + r / 32768 * 0.4 * (1 + t / 10)}')
      status=0
      (timeout -s KILL "$limit" "$under_test" $options --batch 32 --checkpoint-every 64 --input "$scratch/pool" \
        --output "$out" --shard $i/8; exit $?) 2>/dev/null || status=$?
      case $status in
        0) ;;
        124 | 137) kills=$((kills + 1)) still+=($i) ;;
        75) again=$((again + 1)) still+=($i) ;;
        *) echo "shard $i: exit $status"; failures=$((failures + 1)) ;;
      esac
    done
    left=("${still[@]}")
  done
  check "round $round: all shards are done" [ ${#left[@]} = 0 ]
  check "round $round: merged, the bytes of one run" cmp -s <(program --merge "$out" --quiet) "$scratch/whole"
  check "round $round: nothing is left over" [ -z "$(find "$out" -name '*.tmp' -o -name '*.checkpoint' -o -name '*.lock')" ]
done
check "at least 60 kills: $kills" [ $kills -ge 60 ]
echo "figure: $kills kills over 3 rounds of 8 shards; every merge has the bytes of one run"

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
