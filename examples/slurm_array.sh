#!/bin/bash
#SBATCH --array=0-7
#SBATCH --time=01:00:00
#SBATCH --cpus-per-task=2
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
# Scores a pool on the tasks of a SLURM array, a shard each; a task whose time is over, or whose node dies, goes on where it was:
#   MODEL=/models/opus-mt-en-de sbatch --array=0-99 examples/slurm_array.sh pool.txt scores --score coverage,entropy
#   build/examples/score_heads --merge scores > scores.csv                  # when all are done; names what is missing
# Some tasks again: sbatch --array=3,17 --export=ALL,SHARDS=100 ... (SHARDS: how many there were).
set -u
input=$1 output=$2
shift 2
"${PROGRAM:-build/examples/score_heads}" --model "${MODEL:-examples/models/g2p}" --threads "$SLURM_CPUS_PER_TASK" \
  --input "$input" --output "$output" --shard "slurm${SHARDS:+/$SHARDS}" "$@" &
stopped=
trap 'stopped=yes; kill -TERM $!' TERM # a minute before the end of its time: it ends at the next row
wait $!
status=$?
if [ -n "$stopped" ]; then # the signal ended the waiting, not the program
  wait $!
  status=$?
fi
[ $status -ne 75 ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
exit $status
