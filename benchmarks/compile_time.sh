#!/bin/sh
# Seconds to compile and link with g++ -O2: the README's program, and the system's
# headers that it comes to include, ucp.h among them, alone. In turns, the least
# of ROUNDS.
#
#     benchmarks/compile_time.sh [ROUNDS]
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5}
case $rounds in '' | *[!0-9]* | 0) echo "compile_time.sh: '$rounds' is not a number of rounds" >&2; exit 2 ;; esac
: "${CXX:=g++}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
flags="-std=c++20 -O2 -Iinclude $(pkg-config --cflags ucx)"
libraries="$(pkg-config --libs ucx) -lpthread"

# What the program's headers include that is not Tutti's.
# shellcheck disable=SC2086
$CXX $flags -MM examples/hello.cpp | tr ' \\' '\n\n' | grep '/tutti/' > "$folder/ours"
xargs grep -h '^#include <' < "$folder/ours" | grep -v '<tutti/' | sort -u > "$folder/headers.cpp"
echo 'int main() { return ucp_get_version_string() == nullptr; }' >> "$folder/headers.cpp"

# seconds FILE: that it takes to compile and link it
seconds() {
  began=$(date +%s%N)
  # shellcheck disable=SC2086
  $CXX $flags "$1" -o "$folder/program" $libraries
  echo $((($(date +%s%N) - began) / 1000000))
}

hello=999999 headers=999999 round=0
while [ "$round" -lt "$rounds" ]; do
  ms=$(seconds examples/hello.cpp) && [ "$ms" -ge "$hello" ] || hello=$ms
  ms=$(seconds "$folder/headers.cpp") && [ "$ms" -ge "$headers" ] || headers=$ms
  round=$((round + 1))
done
$CXX --version | head -n 1
awk -v hello="$hello" -v headers="$headers" 'BEGIN {
  printf "examples/hello.cpp                %.2f s\n", hello / 1000
  printf "its system headers and ucp.h      %.2f s\n", headers / 1000 }'
