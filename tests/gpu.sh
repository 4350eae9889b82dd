#!/bin/sh
# Builds and runs what needs a CUDA device, in one go and without network, and
# ends in a table of what was measured: `sh tests/gpu.sh [FOLDER]`, the build in
# FOLDER (build-gpu). Exits with 77 where there is no device.
#
# UCX is enough without its CUDA parts. Where its packages are not installed,
# UCX_FOLDER names a folder into which libucx0, libucx-dev, libnuma1 and
# doctest-dev were unpacked (`dpkg -x`). nvcc and g++ alone build it.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build-gpu}
say() { printf '\n== %s\n' "$*"; }

for path in /usr/local/cuda/bin /opt/cuda/bin; do
  if ! command -v nvcc >/dev/null && [ -x "$path/nvcc" ]; then PATH=$PATH:$path; fi
done
command -v nvcc >/dev/null || { echo "gpu.sh: skipped: nvcc is not here"; exit 77; }
root=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
mkdir -p "$folder"
printf '#include <tutti/device/runtime.hpp>\n#include <cstdio>\nint main() { std::printf("%%s", tutti::why_no_device().c_str()); }\n' >"$folder/there.cu"
nvcc -std=c++20 -Iinclude -o "$folder/there" "$folder/there.cu"
why=$("$folder/there")
[ -z "$why" ] || { echo "gpu.sh: skipped: $why"; exit 77; }

# The newest device's code and nothing else, so that this takes a minute or two.
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
include="-Iinclude" libraries="-lucp -lucs -luct"
if [ -n "${UCX_FOLDER:-}" ]; then
  lib=$(dirname "$(find "$UCX_FOLDER" -name 'libucp.so' | head -n 1)")
  include="$include -isystem $UCX_FOLDER/usr/include"
  libraries="-L$lib -Wl,-rpath-link,$lib $libraries"
  LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
  # UCX looks for its transports beside itself.
  export UCX_MODULE_DIR="$lib/ucx"
fi
runtime="-L$root/lib64 -L$root/lib -L$root/targets/x86_64-linux/lib -lcudart_static -ldl -lrt -lpthread"
host="g++ -std=c++20 -O2 -DTUTTI_COMPILED $include -isystem $root/include"
kernels="nvcc -std=c++20 --expt-relaxed-constexpr -O2 -DTUTTI_COMPILED $include -gencode arch=compute_$arch,code=sm_$arch"

say "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1), $(nvcc --version | tail -n 1), $(g++ --version | head -n 1)"
jobs=
start() { "$@" & jobs="$jobs $!"; }
start g++ -std=c++20 -O2 $include -c include/tutti/tutti.cpp -o "$folder/tutti.o"
start $kernels -fmad=false -c tests/gpu/kernels.cu -o "$folder/kernels.o"
start $kernels -fmad=false -c benchmarks/gpu.cu -o "$folder/gpu.o"
start $host -c tests/gpu/main.cpp -o "$folder/main.o"
start $host -c tests/cuda.cpp -o "$folder/cuda.o"
tests="runtime stream device_memory pointer transfer gpu"
for name in $tests; do start $host -c "tests/device/$name.cpp" -o "$folder/test_$name.o"; done
for job in $jobs; do wait "$job"; done
g++ -o "$folder/device_memory" "$folder/main.o" "$folder/cuda.o" "$folder"/test_*.o "$folder/tutti.o" $libraries $runtime
g++ -o "$folder/kernels" "$folder/main.o" "$folder/kernels.o" "$folder/tutti.o" $libraries $runtime
g++ -o "$folder/gpu-perf" "$folder/gpu.o" "$folder/tutti.o" $libraries $runtime

failed=
try() {
  say "$*"
  if timeout 150 "$@"; then :; else failed="$failed; $*: $?"; fi
}
try "$folder/device_memory"
try "$folder/kernels"
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    try compute-sanitizer --tool "$tool" --error-exitcode 9 "$folder/kernels" --test-case="elementwise*,16-bit*"
    try compute-sanitizer --tool "$tool" --error-exitcode 9 "$folder/gpu-perf" threads 2 4096
  done
else
  failed="$failed; compute-sanitizer is not here"
fi

say "figures"
try "$folder/gpu-perf" elementwise
for ranks in 2 4 8; do
  try "$folder/gpu-perf" threads "$ranks"
  try "$folder/gpu-perf" processes --ranks "$ranks"
done
[ -z "$failed" ] || { echo "gpu.sh: failed$failed"; exit 1; }
echo "gpu.sh: all passed"
