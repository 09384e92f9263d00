#!/usr/bin/env bash
# slurm SCORE_HEADS: examples/slurm_array.sh on a real slurmctld and slurmd, on this machine, as root. A task is sent SIGTERM and
# puts itself into the queue again, another one's program is killed and requeued by hand; merged, the bytes of one run.
# Exits with 77 (skipped) where the daemons are missing or do not start.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/programs/check.sh
skip() { echo "figure: the SLURM array was skipped: $*"; exit 77; }
for daemon in slurmctld slurmd munged; do
  command -v $daemon >/dev/null || [ -x /usr/sbin/$daemon ] || skip "$daemon is missing (Debian: slurm-wlm, munge)"
done
[ "$(id -u)" = 0 ] || skip "only root may start slurmd"
PATH=$PATH:/usr/sbin
host=$(uname -n) host=${host%%.*}
daemons=()
stop() {
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${daemons[@]}"; do wait "$pid" 2>/dev/null; done
  rm -rf "$scratch"
}
trap stop EXIT

# cred_expire: how long what is put into the queue again has to wait, at least 5 s.
chmod 755 "$scratch"
mkdir -m 755 "$scratch/state" "$scratch/spool" "$scratch/munge"
head -c 1024 /dev/urandom >"$scratch/munge.key"
chmod 400 "$scratch/munge.key"
cat >"$scratch/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$scratch/munge/socket,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.pid
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd.log
ReturnToService=2
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
END
export SLURM_CONF=$scratch/slurm.conf
munged --foreground --force --key-file="$scratch/munge.key" --socket="$scratch/munge/socket" --pid-file="$scratch/munge/pid" \
  --seed-file="$scratch/munge/seed" --log-file="$scratch/munge/log" >"$scratch/munged.out" 2>&1 &
daemons+=($!)
for _ in $(seq 50); do [ -S "$scratch/munge/socket" ] && break; sleep 0.1; done
slurmctld -D -c >"$scratch/slurmctld.out" 2>&1 &
daemons+=($!)
slurmd -D -N "$host" >"$scratch/slurmd.out" 2>&1 &
daemons+=($!)
for _ in $(seq 100); do sinfo -h -o %T 2>/dev/null | grep -qx idle && break; sleep 0.3; done
sinfo -h -o %T 2>/dev/null | grep -qx idle || { tail -5 "$scratch"/*.log "$scratch"/*.out; skip "slurmctld and slurmd do not start here"; }

for _ in $(seq 16); do cut -f1 $model/words.tsv; done >"$scratch/pool"
"$under_test" --model $model --mean --quiet <"$scratch/pool" >"$scratch/whole"
out=$scratch/out
job=$(PROGRAM=$under_test sbatch --parsable --array=0-3 --cpus-per-task=1 --output="$scratch/job-%a.log" examples/slurm_array.sh \
  "$scratch/pool" "$out" --mean --batch 8 --checkpoint-every 8)
check "sbatch takes the script" [ -n "$job" ]
begun() { for _ in $(seq 300); do [ -e "$out/part-0000$1.checkpoint" ] && return; sleep 0.05; done; return 1; }
check "task 0 begins" begun 0
scancel --signal=TERM --batch "${job}_0"
check "task 1 begins" begun 1
killed=  # that of task 1: task 0's is about to stop by itself
for program in $(pgrep -f -- "^$under_test .*--output $out --shard slurm"); do
  ! tr '\0' '\n' <"/proc/$program/environ" 2>/dev/null | grep -qx SLURM_ARRAY_TASK_ID=1 || killed=$program
done
check "a task's program is killed" kill -KILL "$killed"
ended() { ! squeue -h -j "$job" 2>/dev/null | grep -q .; }
for second in $(seq 240); do
  for task in 0 1 2 3; do  # what was killed has failed: its owner starts it again
    scontrol show job "${job}_$task" 2>/dev/null | grep -q 'JobState=FAILED.*' && scontrol requeue "${job}_$task" 2>/dev/null
  done
  ended && break
  sleep 1
done
check "all tasks end" ended
check "one was asked to stop, and came back" grep -q 'the same command goes on' "$scratch"/job-*.log
check "merged, the bytes of one run" cmp -s <("$under_test" --quiet --merge "$out") "$scratch/whole"
[ $failures = 0 ] || tail -n 20 "$scratch"/job-*.log "$scratch"/slurm*.log
echo "figure: a SLURM array of 4 tasks ($(sinfo --version)), one stopped and requeued, one killed: $second s, the bytes of one run"
finish
