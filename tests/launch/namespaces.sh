#!/bin/sh
# Starts two ranks in two network namespaces that a pair of virtual cables joins.
# Usage: namespaces.sh [--hosts LIST] [--rate RATE] ADDRESS PROGRAM [ARGUMENT...], where ADDRESS
# is rank 0's: 10.77.0.1, fd00:77::1 or, to be found in neither, a name. LIST says
# for each rank whether it is in the first namespace (0, as rank 0 must be) or the
# second (1): "0 0 1 1" are two ranks in each; without it, "0 1". RATE, as in
# 500mbit, is what a token bucket lets through the cable, each way. The namespaces
# have no names, so they end with their processes. Exits with 77, and says why,
# where that cannot be.
skip() {
  echo "skipped: $1"
  exit 77
}
if [ "$1" != inside ]; then
  for tool in ip unshare nsenter; do
    command -v $tool >/dev/null || skip "$tool is not installed"
  done
  # UCX looks for its devices in /sys, which shows those of the namespace that mounted it.
  unshare --net --mount mount -t sysfs sysfs /sys 2>/dev/null || skip "no network namespaces are permitted here"
  exec unshare --net --mount sh "$0" inside "$@"
fi
shift
hosts="0 1"
rate=
if [ "$1" = --hosts ]; then
  hosts=$2
  shift 2
fi
if [ "$1" = --rate ]; then
  rate=$2
  shift 2
  command -v tc >/dev/null || skip "tc is not installed"
fi
address=$1
shift

mount -t sysfs sysfs /sys
unshare --net --mount sh -c "mount -t sysfs sysfs /sys; exec sleep 300" &
there=$!
trap 'kill $there 2>/dev/null; wait $there 2>/dev/null' EXIT
becomes() { # VALUE COMMAND...: until the command prints it
  value=$1
  shift
  tries=0
  while [ "$("$@" 2>/dev/null)" != "$value" ]; do
    tries=$((tries + 1))
    [ $tries -lt 500 ] || return 1
    sleep 0.01
  done
}
becomes sleep cat /proc/$there/comm || skip "the second namespace did not appear"
ip link add left type veth peer name right netns $there || skip "no virtual cables are permitted here"
over_there() { nsenter --net=/proc/$there/ns/net --mount=/proc/$there/ns/mnt --wd=. "$@"; }
ip address add 10.77.0.1/24 dev left
ip address add fd00:77::1/64 dev left nodad
ip link set lo up
ip link set left up
over_there ip address add 10.77.0.2/24 dev right
over_there ip address add fd00:77::2/64 dev right nodad
# Ranks of one host may send each other messages as well.
over_there ip link set lo up
over_there ip link set right up
becomes up cat /sys/class/net/left/operstate && becomes up over_there cat /sys/class/net/right/operstate ||
  skip "the virtual cable did not come up"

if [ -n "$rate" ]; then
  tc qdisc add dev left root tbf rate $rate burst 256kb latency 100ms &&
    over_there tc qdisc add dev right root tbf rate $rate burst 256kb latency 100ms || skip "no token bucket is permitted here"
fi

export WORLD_SIZE=$(echo $hosts | wc -w) MASTER_ADDR=$address MASTER_PORT=29500
rank=0
ranks=
for host in $hosts; do
  if [ $host = 0 ]; then RANK=$rank "$@" & else RANK=$rank over_there "$@" & fi
  ranks="$ranks $!"
  rank=$((rank + 1))
done
code=0
for process in $ranks; do
  wait $process
  ended=$?
  [ $code -ne 0 ] || code=$ended
done
exit $code
