#!/bin/sh
# Starts two ranks in two network namespaces that a pair of virtual cables joins.
# Usage: namespaces.sh ADDRESS PROGRAM [ARGUMENT...], where ADDRESS is rank 0's:
# 10.77.0.1, fd00:77::1 or, to be found in neither, a name. The namespaces have
# no names, so they end with their processes. Exits with 77, and says why, where
# that cannot be.
skip() {
  echo "skipped: $1"
  exit 77
}
if [ "$1" != inside ]; then
  for tool in ip unshare nsenter; do
    command -v $tool >/dev/null || skip "$tool is not installed"
  done
  unshare --net true 2>/dev/null || skip "no network namespaces are permitted here"
  exec unshare --net sh "$0" inside "$@"
fi
shift
address=$1
shift

unshare --net sleep 300 &
there=$!
trap 'kill $there 2>/dev/null' EXIT
tries=0
while [ "$(readlink /proc/$there/ns/net)" = "$(readlink /proc/self/ns/net)" ] || [ ! -e /proc/$there/ns/net ]; do
  tries=$((tries + 1))
  [ $tries -lt 500 ] || skip "the second namespace did not appear"
  sleep 0.01
done
ip link add left type veth peer name right netns $there || skip "no virtual cables are permitted here"
over_there() { nsenter --net=/proc/$there/ns/net "$@"; }
ip address add 10.77.0.1/24 dev left
ip address add fd00:77::1/64 dev left nodad
ip link set lo up
ip link set left up
over_there ip address add 10.77.0.2/24 dev right
over_there ip address add fd00:77::2/64 dev right nodad
over_there ip link set right up

export WORLD_SIZE=2 MASTER_ADDR=$address MASTER_PORT=29500
RANK=0 "$@" &
first=$!
RANK=1 over_there "$@"
second_code=$?
wait $first
first_code=$?
[ $first_code -ne 0 ] && exit $first_code
exit $second_code
