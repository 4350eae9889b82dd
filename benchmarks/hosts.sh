#!/bin/sh
# Times the algorithms of a collective between two hosts of two ranks: network
# namespaces of this machine, joined by a virtual cable. Exits with 77, and says
# why, where there can be none (that takes root, ip, unshare and nsenter).
#
#     benchmarks/hosts.sh [BUILD [COLLECTIVE [ALGORITHM...]]]     (build, all_reduce, and these)
#
# They take turns, ROUNDS times (5); printed is the median of their mean times in
# µs. SIZES are those of tutti-perf. HOSTS says on which host each rank is:
# "0 0 1 1", or "0 1 0 1" where they take turns. Each host has half of the cores,
# where there are two (they must be numbered from 0 on): else ranks would think that a host has all of them.
set -eu
cd "$(dirname "$0")/.."
build=$(cd "${1:-build}" && pwd)
[ $# -gt 0 ] && shift
what=${1:-all_reduce}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- ring doubling halving rabenseifner two_shot hierarchical leaders automatic
export HOSTS="${HOSTS:-0 0 1 1}" HALF=$(($(nproc) / 2))
on_its_cores='exec "$0" "$@"'
[ "$HALF" -eq 0 ] || on_its_cores='host=$(echo "$HOSTS" | cut -d " " -f $((RANK + 1)))
  exec taskset -c $((host * HALF))-$((host * HALF + HALF - 1)) "$0" "$@"'
lines=$(mktemp) times=$(mktemp)
trap 'rm -f "$lines" "$times"' EXIT
for round in $(seq "${ROUNDS:-5}"); do
  for algorithm in "$@"; do
    sh tests/launch/namespaces.sh --hosts "$HOSTS" 10.77.0.1 sh -c "$on_its_cores" "$build/benchmarks/tutti-perf" "$what" \
      --algorithm "$algorithm" --sizes "${SIZES:-8,4K,64K,1M,16M}" --seconds 0.05 >"$lines" || {
      code=$?
      cat "$lines"
      exit $code
    }
    awk -v asked="$algorithm" '!/^#/ { print $1, asked, $5, $6 }' "$lines" >>"$times"
  done
done
sort -k1,1n -k2,2 -k4,4n "$times" | awk -v hosts="$HOSTS" '
  function flush() { if (n) printf "%10s %14s %14s %10.2f\n", bytes, asked, chosen, time[int((n + 1) / 2)] }
  BEGIN { printf "# ranks on hosts %s\n%10s %14s %14s %10s\n", hosts, "bytes", "asked for", "algorithm", "µs" }
  $1 != bytes || $2 != asked { flush(); n = 0 }
  { bytes = $1; asked = $2; chosen = $3; time[++n] = $4 }
  END { flush() }'
