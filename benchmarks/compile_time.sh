#!/bin/sh
# Seconds to compile and link with g++ -O2: the README's program where what is
# long was compiled once, as an installed Tutti has it; the same by headers alone;
# and, for comparison, the standard headers that a program of the kind includes
# and ucp.h. In turns, the least of ROUNDS.
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

for header in atomic cstdio cstring functional memory string thread vector ucp/api/ucp.h; do
  echo "#include <$header>"
done > "$folder/headers.cpp"
echo 'int main() { return ucp_get_version_string() == nullptr; }' >> "$folder/headers.cpp"
# shellcheck disable=SC2086
$CXX $flags -c include/tutti/tutti.cpp -o "$folder/tutti.o"

# seconds WORD...: that it takes to compile and link it, in ms
seconds() {
  began=$(date +%s%N)
  # shellcheck disable=SC2086
  $CXX $flags "$@" -o "$folder/program" $libraries
  echo $((($(date +%s%N) - began) / 1000000))
}

once=999999 alone=999999 headers=999999 round=0
while [ "$round" -lt "$rounds" ]; do
  ms=$(seconds -DTUTTI_COMPILED examples/hello.cpp "$folder/tutti.o") && [ "$ms" -ge "$once" ] || once=$ms
  ms=$(seconds examples/hello.cpp) && [ "$ms" -ge "$alone" ] || alone=$ms
  ms=$(seconds "$folder/headers.cpp") && [ "$ms" -ge "$headers" ] || headers=$ms
  round=$((round + 1))
done
$CXX --version | head -n 1
awk -v once="$once" -v alone="$alone" -v headers="$headers" 'BEGIN {
  printf "examples/hello.cpp, linked with tutti.o    %.2f s\n", once / 1000
  printf "examples/hello.cpp, headers alone          %.2f s\n", alone / 1000
  printf "standard headers and ucp.h alone           %.2f s\n", headers / 1000 }'
