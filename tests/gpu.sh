#!/bin/sh
# Builds and runs what needs a CUDA device, in one go and without network, and
# ends in a table of what was measured: `sh tests/gpu.sh [FOLDER]`, the build in
# FOLDER (build-gpu). Exits with 77 where there is no device.
#
# UCX is enough without its CUDA parts. Where its packages are not installed,
# UCX_FOLDER names a folder into which libucx0, libucx-dev, libnuma1 and
# doctest-dev were unpacked (`dpkg -x`). nvcc and g++ alone build it. cuDNN is looked
# for beside the toolkit, or in CUDNN_FOLDER (with include and lib); without it what
# trains is left out, and said to be. With `--dry` it ends where it would look for
# the device, after saying what it would build with.
set -eu
cd "$(dirname "$0")/.."
dry=
if [ "${1:-}" = --dry ]; then dry=yes; shift; fi
folder=${1:-build-gpu}
say() { printf '\n== %s\n' "$*"; }

for path in /usr/local/cuda/bin /opt/cuda/bin; do
  if ! command -v nvcc >/dev/null && [ -x "$path/nvcc" ]; then PATH=$PATH:$path; fi
done
command -v nvcc >/dev/null || { echo "gpu.sh: skipped: nvcc is not here"; exit 77; }
root=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
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
cudnn= cudnn_include=
for path in ${CUDNN_FOLDER:-} "$root" "$root/targets/x86_64-linux" /usr; do
  for lib in lib64 lib lib/x86_64-linux-gnu; do
    [ -z "$cudnn" ] && [ -e "$path/include/cudnn.h" ] || continue
    for file in "$path/$lib"/libcudnn.so*; do
      [ -e "$file" ] || continue
      cudnn="$file -Wl,-rpath,$path/$lib"
      # The system's own folder as a second one hides what its C++ headers include next.
      [ "$path" = /usr ] || cudnn_include="-isystem $path/include"
      break
    done
  done
done
if [ -n "$dry" ]; then
  echo "nvcc: $(command -v nvcc)"
  echo "UCX: ${UCX_FOLDER:-the system's}: $libraries"
  echo "cuDNN: ${cudnn:-none}"
  exit 0
fi
mkdir -p "$folder"
printf '#include <tutti/device/runtime.hpp>\n#include <cstdio>\nint main() { std::printf("%%s", tutti::why_no_device().c_str()); }\n' >"$folder/there.cu"
nvcc -std=c++20 -Iinclude -o "$folder/there" "$folder/there.cu"
why=$("$folder/there")
[ -z "$why" ] || { echo "gpu.sh: skipped: $why"; exit 77; }

# The newest device's code and nothing else, so that this takes a minute or two.
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
runtime="-L$root/lib64 -L$root/lib -L$root/targets/x86_64-linux/lib -lcudart_static -ldl -lrt -lpthread"
host="g++ -std=c++20 -O2 -DTUTTI_COMPILED $include -isystem $root/include"
kernels="nvcc -std=c++20 --expt-relaxed-constexpr -O2 -DTUTTI_COMPILED $include -gencode arch=compute_$arch,code=sm_$arch"

say "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1), $(nvcc --version | tail -n 1), $(g++ --version | head -n 1)"
jobs=
start() { "$@" & jobs="$jobs $!"; }
if [ -n "$cudnn" ]; then
  start $kernels $cudnn_include -c tests/gpu/backend.cu -o "$folder/backend.o"
  start $kernels $cudnn_include -c benchmarks/gpu_training.cu -o "$folder/gpu_training.o"
fi
# What trains needs zlib too, and train_cnn oneDNN.
law=
if [ -n "$cudnn" ] && printf '#include <zlib.h>\n' | g++ -x c++ -fsyntax-only - 2>/dev/null; then
  law=yes
  start $kernels $cudnn_include -c tests/gpu/training.cu -o "$folder/training.o"
fi
trains=
if [ -n "$cudnn" ] && printf '#include <oneapi/dnnl/dnnl.hpp>\n#include <zlib.h>\n' | g++ -std=c++20 -x c++ -fsyntax-only - 2>/dev/null; then
  trains=yes
  for element in float tutti::half tutti::bfloat16; do
    start $kernels $cudnn_include "-DTRAIN_CNN_ELEMENT=$element" -c examples/train_cnn.cu -o "$folder/train_cnn_${element#tutti::}.o"
  done
  start $host -DTRAIN_CNN_CUDA=1 -DTRAIN_CNN_DATA="\"$PWD/examples/data\"" -c examples/train_cnn.cpp -o "$folder/train_cnn.o"
fi
start g++ -std=c++20 -O2 $include -c include/tutti/tutti.cpp -o "$folder/tutti.o"
start $kernels -fmad=false -c tests/gpu/kernels.cu -o "$folder/kernels.o"
start $kernels -fmad=false -c benchmarks/gpu.cu -o "$folder/gpu.o"
start $host -c tests/gpu/main.cpp -o "$folder/main.o"
start $host -c tests/cuda.cpp -o "$folder/cuda.o"
tests="runtime stream device_memory pointer transfer gpu range"
for name in $tests; do start $host -c "tests/device/$name.cpp" -o "$folder/test_$name.o"; done
for job in $jobs; do wait "$job"; done
g++ -o "$folder/device_memory" "$folder/main.o" "$folder/cuda.o" "$folder"/test_*.o "$folder/tutti.o" $libraries $runtime
g++ -o "$folder/kernels" "$folder/main.o" "$folder/kernels.o" "$folder/tutti.o" $libraries $runtime
g++ -o "$folder/gpu-perf" "$folder/gpu.o" "$folder/tutti.o" $libraries $runtime
if [ -n "$cudnn" ]; then
  cudnn="$cudnn -L$root/lib64 -lcublas -Wl,-rpath,$root/lib64"
  g++ -o "$folder/backend" "$folder/main.o" "$folder/backend.o" "$folder/tutti.o" $libraries $cudnn $runtime
  g++ -o "$folder/gpu-training" "$folder/gpu_training.o" "$folder/tutti.o" $libraries $cudnn $runtime
fi
if [ -n "$law" ]; then
  g++ -o "$folder/training" "$folder/main.o" "$folder/training.o" "$folder/tutti.o" $libraries $cudnn -lz $runtime
fi
if [ -n "$trains" ]; then
  g++ -o "$folder/train_cnn" "$folder/train_cnn.o" "$folder"/train_cnn_float.o "$folder"/train_cnn_half.o "$folder"/train_cnn_bfloat16.o "$folder/tutti.o" $libraries $cudnn -ldnnl -lz $runtime
fi

failed= table=
# One line of the table at the end: what was asked for, and what was seen.
bar() { table="$table$(printf '%-64s %s' "$1" "$2")
"; }
try() {
  say "$*"
  if timeout 150 "$@" >"$folder/said" 2>&1; then status=passed; else status="failed: $?" failed="$failed; $*: $?"; fi
  cat "$folder/said"
}
try "$folder/device_memory"
bar "memory, streams and errors of the runtime" "$status"
try "$folder/kernels"
bar "collectives and elementwise functions against the host's" "$status"
if [ -n "$cudnn" ]; then
  try "$folder/backend"
  bar "cuDNN, cuBLAS and own kernels against the naive ones, a graph" "$status"
else
  bar "cuDNN, cuBLAS and own kernels against the naive ones, a graph" "left out: cuDNN is not here"
fi
if [ -n "$law" ]; then
  try "$folder/training"
  bar "law 1 over 100 steps, host and device (largest differences)" "$status; $(sed -n 's/.*MESSAGE: //p' "$folder/said")"
else
  bar "law 1 over 100 steps, host and device" "left out: cuDNN or zlib is not here"
fi
if [ -n "$trains" ]; then
  # One epoch of the shipped digits is 157 steps: the losses differ by rounding, the accuracies by few digits.
  try "$folder/train_cnn" --ranks 1 --epochs 1
  here=$(awk '/^epoch/ { print }' "$folder/said")
  bar "LeNet's first epoch on the host" "$here"
  for how in "float 1" "bf16 1" "fp16 1" "float 2"; do
    set -- $how
    try "$folder/train_cnn" --ranks "$2" --epochs 1 --device cuda --precision "$1"
    bar "LeNet's first epoch on the device, $1, ranks: $2" "$status; $(awk '/^epoch/ { print }' "$folder/said"); $(tail -n 1 "$folder/said")"
  done
else
  bar "train_cnn --device cuda beside the host" "left out: cuDNN, oneDNN or zlib is not here"
fi
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    try compute-sanitizer --tool "$tool" --error-exitcode 9 "$folder/kernels" --test-case="elementwise*,short floats*"
    bar "compute-sanitizer, $tool, elementwise" "$status"
    try compute-sanitizer --tool "$tool" --error-exitcode 9 "$folder/gpu-perf" threads 2 4096
    bar "compute-sanitizer, $tool, all-reduce" "$status"
  done
else
  failed="$failed; compute-sanitizer is not here"
fi

say "figures"
try "$folder/gpu-perf" elementwise
bar "fold of two 1 GiB arrays into one, of a copy (at least 92 %)" "$(awk '/^fold of two/ { print $NF }' "$folder/said")"
bar "quantise, of a copy (at least 90 %)" "$(awk '/^quantise/ { print $NF }' "$folder/said")"
bar "SGD with momentum, of a copy (at least 90 %)" "$(awk '/^SGD/ { print $NF }' "$folder/said")"
for ranks in 2 4 8; do
  for kind in threads processes; do
    if [ $kind = threads ]; then try "$folder/gpu-perf" threads "$ranks"; else try "$folder/gpu-perf" processes --ranks "$ranks"; fi
    bar "all-reduce of 8 bytes, $ranks $kind, us (threads: under 15)" "$(awk '$1 == 8 { print $2 }' "$folder/said")"
    bar "all-reduce of the most, $ranks $kind: bytes, GB/s, us, bound" \
      "$(awk '$1 + 0 > 0 && NF == 5 { last = $1 ", " $3 ", " $2 ", " $4 } END { print last }' "$folder/said")"
  done
done
# Beside NCCL, where it is (TUTTI_NCCL names it) and each rank has a device of its own.
rm -f "$folder/tuning"
for ranks in 1 2 4 8; do
  try "$folder/gpu-perf" devices "$ranks" 268435456 "$folder/tuning"
  bar "all-reduce beside NCCL, devices: $ranks; least and most: bytes, us, NCCL's us" \
    "$status; $(awk '/^left out/ { print } $1 + 0 > 0 && NF == 6 { last = $1 ", " $2 ", " $4; if (!n++) print last } END { if (n > 1) print "; " last }' "$folder/said" | tr -d '\n')"
done
if [ -n "$cudnn" ]; then
  for size in "resnet50 128" "resnet18 128"; do
    set -- $size
    try "$folder/gpu-training" "$1" "$2"
    bar "$1, bf16, batch $2, images/s" "$status; $(sed -n 's/^tutti //p' "$folder/said" | tr '\n' ';')"
    say "PyTorch, $1"
    python3 benchmarks/pytorch_gpu.py "$1" "$2" >"$folder/said" 2>&1 || true
    cat "$folder/said"
    bar "the same by PyTorch (at most as many)" "$(grep -E '^pytorch' "$folder/said" | tr '\n' ';')"
  done
fi
say "bars"
printf '%s' "$table"
[ -z "$failed" ] || { echo "gpu.sh: failed$failed"; exit 1; }
echo "gpu.sh: all passed"
