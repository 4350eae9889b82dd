#!/bin/sh
# Runs a command inside a Slurm of its own: one node, this machine, all state in
# a temporary folder, ended afterwards. Usage: slurm.sh COMMAND [ARGUMENT...],
# where the command calls srun. Exits with 77, and says why, where that cannot be.
PATH=$PATH:/usr/sbin:/sbin
skip() {
  echo "skipped: $1"
  exit 77
}
for tool in munged slurmctld slurmd srun sinfo; do
  command -v $tool >/dev/null || skip "$tool is not installed (Debian: slurm-wlm, munge)"
done
[ "$(id -u)" = 0 ] || skip "slurmd starts jobs as root only"

dir=$(mktemp -d "${TMPDIR:-/tmp}/tutti-slurm.XXXXXX") || exit 1
pids=
finish() {
  code=$?
  trap - EXIT INT TERM HUP
  # Each step has a process and a socket in the spool; it ends by itself, but not
  # without the controller.
  tries=0
  while [ -n "$(find "$dir/spool" -type s)" ] && [ $tries -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  # In reverse order, each waited for: they are our own children.
  for pid in $pids; do kill "$pid" 2>/dev/null; done
  for pid in $pids; do wait "$pid" 2>/dev/null; done
  rm -rf "$dir"
  exit $code
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$dir/state" "$dir/spool"
dd if=/dev/urandom of="$dir/key" bs=64 count=1 2>/dev/null
chmod 400 "$dir/key"
chmod 755 "$dir"
host=$(hostname -s)
# Ports by process number, below those that Linux gives to clients.
port=$((10000 + $$ % 4000 * 2))
cat >"$dir/slurm.conf" <<END
ClusterName=tutti
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=$host NodeHostname=$host NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
END
export SLURM_CONF="$dir/slurm.conf"

munged --foreground --force --socket="$dir/munge.socket" --key-file="$dir/key" --pid-file="$dir/munge.pid" \
  --seed-file="$dir/seed" --log-file="$dir/munge.log" >"$dir/munged.out" 2>&1 &
pids="$!"
slurmctld -D -f "$SLURM_CONF" -L "$dir/slurmctld.log" >"$dir/slurmctld.out" 2>&1 &
pids="$! $pids"
slurmd -D -f "$SLURM_CONF" -L "$dir/slurmd.log" >"$dir/slurmd.out" 2>&1 &
pids="$! $pids"

tries=0
until [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; do
  tries=$((tries + 1))
  if [ $tries -gt 150 ]; then
    tail -n 5 "$dir"/*.out "$dir"/*.log
    skip "this machine's Slurm did not come up in 30 s"
  fi
  sleep 0.2
done
"$@"
