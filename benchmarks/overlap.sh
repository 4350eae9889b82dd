#!/bin/sh
# How much of the sums of gradients is hidden behind backward where they are slow: two
# network namespaces of this machine, joined by a virtual cable that a token bucket
# throttles until sums behind backward take half as long as backward (with --halo: halos
# that all waits for). Exits with 77, and says why, where there can be none (that takes
# root, ip, tc, unshare and nsenter). Each of these hosts has a core of its own, where
# there are two.
#
#     benchmarks/overlap.sh [BUILD [FLAG...]]     (build; flags of benchmarks/overlap)
#
# Prints a line of JSON for each rate that it tries: the last is the answer.
set -eu
cd "$(dirname "$0")/.."
build=$(cd "${1:-build}" && pwd)
[ $# -gt 0 ] && shift
measure() { # NAMESPACES' FLAGS -- ...: one run, into $said
  said=$(sh tests/launch/namespaces.sh "$@") || {
    code=$?
    echo "$said"
    exit $code
  }
}
on_its_core='exec "$0" "$@"'
[ "$(nproc)" -lt 2 ] || on_its_core='exec taskset -c "$RANK" "$0" "$@"'
value() { echo "$said" | sed "s/.*\"$1\": \([0-9.]*\).*/\1/"; }
measure 10.77.0.1 sh -c "$on_its_core" "$build/benchmarks/overlap" "$@" --rounds 1
bytes=$(value bytes) backward=$(value backward_ms) slower=1
for try in 1 2; do
  rate=$(awk "BEGIN { printf \"%.0f\", 8 * $bytes / ($backward / 1000 / 2) / 1e3 * $slower }")kbit
  measure --rate "$rate" 10.77.0.1 sh -c "$on_its_core" "$build/benchmarks/overlap" "$@"
  echo "at $rate: $said"
  exposed=$(value exposed_of_backward)
  slower=$(awk "BEGIN { print $slower * $exposed / 0.5 }")
  ! awk "BEGIN { exit !($exposed > 0.45 && $exposed < 0.55) }" || break
done
