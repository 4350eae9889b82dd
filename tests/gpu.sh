#!/bin/sh
# Builds and runs what needs a CUDA device, without network, and ends in a table of
# what was measured: `sh tests/gpu.sh [--part N] [FOLDER]`, the build in FOLDER
# (build-gpu). Exits with 77 where there is no device.
#
# Where commands are limited in time, `--part 1`, 2 and 3 are three calls: each builds
# what it needs, begins with what tells most, ends within BUDGET seconds (560), leaving
# out what no time is left for, and goes on after a failure. What was built and measured
# stays in FOLDER; RESULTS names a folder that gets the table and all output as well.
#
# UCX is enough without its CUDA parts. Where packages cannot be installed, `--carry
# CARRIED` fetches and unpacks them elsewhere (with apt-get, on Debian), and
# UCX_FOLDER=CARRIED says where they are. nvcc and g++ alone build it. cuDNN is looked for
# beside the toolkit, among python3's packages, or in CUDNN_FOLDER (with include and lib);
# without it what trains is left out, and said to be. With `--dry` it ends where it would
# look for the device, after saying what it would build with.
set -u
cd "$(dirname "$0")/.."
dry='' part='' carry=''
while [ $# -gt 0 ]; do
  case $1 in
    --dry) dry=yes ;;
    --part) part=$2; shift ;;
    --carry) carry=$2; shift ;;
    *) break ;;
  esac
  shift
done
folder=${1:-build-gpu}
say() { printf '\n== %s\n' "$*"; }

if [ -n "$carry" ]; then
  mkdir -p "$carry/packages" && (cd "$carry/packages" && apt-get download libucx0 libucx-dev libnuma1 doctest-dev zlib1g zlib1g-dev libdnnl2 libdnnl-dev) || exit 1
  for package in "$carry"/packages/*.deb; do dpkg -x "$package" "$carry" || exit 1; done
  rm -rf "$carry/packages" "$carry/usr/share"
  find "$carry" -name '*.a' -delete
  # Links to elsewhere on this machine lead to what was unpacked.
  find "$carry" -type l -lname '/*' | while read -r link; do ln -sfr "$carry$(readlink "$link")" "$link"; done
  du -sh "$carry"
  exit 0
fi

for path in /usr/local/cuda/bin /opt/cuda/bin; do
  if ! command -v nvcc >/dev/null && [ -x "$path/nvcc" ]; then PATH=$PATH:$path; fi
done
command -v nvcc >/dev/null || { echo "gpu.sh: skipped: nvcc is not here"; exit 77; }
root=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
include="-Iinclude" libraries="-lucp -lucs -luct" own_libraries=${LD_LIBRARY_PATH:-}
if [ -n "${UCX_FOLDER:-}" ]; then
  UCX_FOLDER=$(readlink -f "$UCX_FOLDER")
  lib=$(dirname "$(find "$UCX_FOLDER" -name 'libucp.so' | head -n 1)")
  others=$(dirname "$(find "$UCX_FOLDER" -name 'libnuma.so.1' | head -n 1)")
  include="$include -isystem $UCX_FOLDER/usr/include -isystem $UCX_FOLDER/usr/include/x86_64-linux-gnu"
  libraries="-L$lib -Wl,-rpath-link,$lib:$others:$UCX_FOLDER/lib/x86_64-linux-gnu $libraries"
  LD_LIBRARY_PATH=$lib:$others:$UCX_FOLDER/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
  # UCX looks for its transports beside itself.
  export UCX_MODULE_DIR="$lib/ucx"
fi
carried=${UCX_FOLDER:-"the system's"}
unset UCX_FOLDER  # which UCX would take for one of its own settings
# Where python3 has what pip installs of NVIDIA's, one folder a line.
packages=$(python3 -c 'import nvidia, os
for root in nvidia.__path__:
  for name in sorted(os.listdir(root)): print(os.path.join(root, name))' 2>/dev/null || true)
# `library NAME HEADER`: the file and its folder's headers, into $found and $found_include.
library() {
  found='' found_include=''
  for path in ${CUDNN_FOLDER:-} "$root" "$root/targets/x86_64-linux" /usr $packages; do
    for lib in lib64 lib lib/x86_64-linux-gnu; do
      [ -z "$found" ] && [ -e "$path/include/$2" ] || continue
      for file in "$path/$lib/lib$1".so*; do
        [ -e "$file" ] || continue
        found="$file -Wl,-rpath,$path/$lib"
        # The system's own folder as a second one hides what its C++ headers include next.
        [ "$path" = /usr ] || found_include="-isystem $path/include"
        break
      done
    done
  done
}
library cublas cublas_v2.h
cublas=$found cublas_include=$found_include
library cudnn cudnn.h
cudnn=$found cudnn_include="$found_include $cublas_include"
[ -n "$cublas" ] || cudnn=''
sees() { printf "$1" | g++ -std=c++20 $include -x c++ -fsyntax-only - 2>/dev/null; }
zlib=''; sees '#include <zlib.h>\n' && zlib=yes
onednn=''; sees '#include <oneapi/dnnl/dnnl.hpp>\n' && onednn=yes
if [ -n "$dry" ]; then
  echo "nvcc: $(command -v nvcc)"
  echo "UCX: $carried: $libraries"
  echo "cuDNN: ${cudnn:-none}"
  echo "cuBLAS: ${cublas:-none}"
  echo "zlib: ${zlib:-none}, oneDNN: ${onednn:-none}"
  exit 0
fi
mkdir -p "$folder"
[ -z "${RESULTS:-}" ] || mkdir -p "$RESULTS"
printf '#include <tutti/device/runtime.hpp>\n#include <cstdio>\nint main() { std::printf("%%s", tutti::why_no_device().c_str()); }\n' >"$folder/there.cu"
nvcc -std=c++20 -Iinclude -o "$folder/there" "$folder/there.cu" || exit 1
why=$("$folder/there") || why="it does not run: $why"
[ -z "$why" ] || { echo "gpu.sh: skipped: $why"; exit 77; }

# This device's code and nothing else, so that it takes a minute or two.
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
runtime="-L$root/lib64 -L$root/lib -L$root/targets/x86_64-linux/lib -lcudart_static -ldl -lrt -lpthread"
host="g++ -std=c++20 -O2 -DTUTTI_COMPILED $include -isystem $root/include -isystem $root/include/cccl"
kernels="nvcc -std=c++20 --expt-relaxed-constexpr -O2 -DTUTTI_COMPILED $include -gencode arch=compute_$arch,code=sm_$arch"
trains="$cudnn $cublas"
end=$(($(date +%s) + ${BUDGET:-$([ -n "$part" ] && echo 560 || echo 86400)}))
left() { echo $((end - $(date +%s))); }
failed=''

say "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1), $(nvcc --version | tail -n 1), $(g++ --version | head -n 1)"

# One line of the table at the end: what was asked for, and what was seen. What is
# measured again replaces what was.
bar() {
  printf '%s\t%s\n' "$1" "$2" >>"$folder/table"
  [ -z "${RESULTS:-}" ] || cp "$folder/table" "$RESULTS/"
}
# `object NAME SOURCE COMMAND...` begins to compile, where that is not what was compiled last.
headers=$(find include tests benchmarks examples -type f \( -name '*.hpp' -o -name '*.cuh' \) | sort | xargs cat | cksum)
object() {
  name=$1 source=$2
  shift 2
  key="$headers $(cksum <"$source") $*"
  [ -e "$folder/$name.o" ] && [ "$(cat "$folder/$name.key" 2>/dev/null)" = "$key" ] && return
  rm -f "$folder/$name.o"
  { "$@" -c "$source" -o "$folder/$name.o" >"$folder/$name.log" 2>&1 && printf '%s' "$key" >"$folder/$name.key"; } &
  eval "job_$name=$!"
}
# `program NAME "OBJECT..." LIBRARY...`; false where an object has not come to be.
program() {
  name=$1 parts='' missing=''
  for each in $2; do
    eval "job=\${job_$each:-}"
    [ -z "$job" ] || wait "$job" || true
    parts="$parts $folder/$each.o"
    [ -e "$folder/$each.o" ] || { missing="$missing $each"; grep -i -A3 'error' "$folder/$each.log" | head -n 20; }
  done
  shift 2
  if [ -z "$missing" ] && g++ -o "$folder/$name" $parts "$@" $runtime; then
    [ ! -e "$folder/table" ] || sed -i "/^$name	does not build/d" "$folder/table"
    return 0
  fi
  failed="$failed; $name does not build$missing" status="does not build:${missing:- it does not link}"
  bar "$name" "$status"
  return 1
}
# `try LIMIT COMMAND...` within so many seconds: its output in $folder/said, and $status.
try() {
  limit=$1
  shift
  say "$*"
  [ "$(left)" -gt "$limit" ] || limit=$(left)
  if [ "$limit" -lt 5 ]; then
    : >"$folder/said"
    status="left out: no time was left" failed="$failed; $*: no time"
    return
  fi
  begun=$(date +%s)
  timeout -k 5 "$limit" "$@" >"$folder/said" 2>&1
  case $? in
    0) status=passed ;;
    77) status="left out: $(tail -n 1 "$folder/said")" ;;
    *)
      status="failed: $?" failed="$failed; $*: $status"
      # Where it may not attach to the device nothing was found, nor looked for.
      if [ "$1" = "${sanitizer:-}" ] && grep -q 'Device not supported' "$folder/said"; then
        status="left out: the device lets no tool look" failed=${failed%"; $*: failed"*}
      fi ;;
  esac
  cat "$folder/said"
  echo "-- $status in $(($(date +%s) - begun)) s"
  [ -z "${RESULTS:-}" ] || { printf '\n== %s\n' "$*"; cat "$folder/said"; echo "-- $status"; } >>"$RESULTS/said"
}
wanted() { [ -z "$part" ] || [ "$part" = "$1" ]; }

tutti_object() { object tutti include/tutti/tutti.cpp g++ -std=c++20 -O2 $include; object main tests/gpu/main.cpp $host; }
gpu_object() { object gpu benchmarks/gpu.cu $kernels -fmad=false; }
kernels_object() { object kernels tests/gpu/kernels.cu $kernels -fmad=false; }
backend_object() { [ -z "$cudnn" ] || object backend tests/gpu/backend.cu $kernels -fmad=false $cudnn_include; }
no_cudnn="left out: cuDNN or cuBLAS is not here"

# Between ranks that share the device; $2: threads or processes, $3 what to say besides.
all_reduces() {
  if [ "$2" = threads ]; then try 100 "$folder/gpu-perf" threads "$1"; else try 100 "$folder/gpu-perf" processes --ranks "$1"; fi
  bar "all-reduce of 8 bytes, $1 $2$3, us (threads: under 15)" "$status; $(awk '$1 == 8 { print $2 }' "$folder/said")"
  bar "all-reduce of the most, $1 $2$3: bytes, GB/s, us, bound" \
    "$status; $(awk '$1 + 0 > 0 && NF == 5 { last = $1 ", " $3 ", " $2 ", " $4 } END { print last }' "$folder/said")"
}

if wanted 1; then
  tutti_object
  tests="runtime stream device_memory pointer transfer gpu range"
  objects=''
  for test in $tests; do object "test_$test" "tests/device/$test.cpp" $host; objects="$objects test_$test"; done
  object cuda tests/cuda.cpp $host
  kernels_object; gpu_object; backend_object
  if program device_memory "main cuda$objects tutti" $libraries; then
    try 120 "$folder/device_memory"
    bar "memory, streams and errors of the runtime" "$status"
  fi
  if program kernels "main kernels tutti" $libraries; then
    try 150 "$folder/kernels" --duration=true
    bar "collectives, graphs of them, elementwise functions: as the host's" "$status"
  fi
  if [ -z "$cudnn" ]; then bar "cuDNN, cuBLAS and own kernels as the naive ones, a graph" "$no_cudnn"
  elif program backend "main backend tutti" $libraries $trains; then
    try 150 "$folder/backend" --duration=true
    bar "cuDNN, cuBLAS and own kernels as the naive ones, a graph" "$status"
  fi
  wait
  # What is timed, while nothing is compiled.
  if program gpu-perf "gpu tutti" $libraries; then
    try 100 "$folder/gpu-perf" elementwise
    bar "fold of two 1 GiB arrays into one, of a copy (at least 92 %)" "$status; $(awk '/^fold of two/ { print $NF }' "$folder/said")"
    bar "quantise, of a copy (at least 90 %)" "$status; $(awk '/^quantise/ { print $NF }' "$folder/said")"
    bar "SGD with momentum, of a copy (at least 90 %)" "$status; $(awk '/^SGD/ { print $NF }' "$folder/said")"
    for ranks in 2 4 8; do all_reduces $ranks threads ""; done
    all_reduces 2 processes ""
  fi
fi

if wanted 2; then
  tutti_object
  if [ -z "$cudnn" ]; then bar "ResNets, images/s" "$no_cudnn"
  else
    object gpu_training benchmarks/gpu_training.cu $kernels $cudnn_include
    [ -z "$zlib" ] || object training tests/gpu/training.cu $kernels $cudnn_include
    # Nothing is compiled while it is timed.
    wait
    if program gpu-training "gpu_training tutti" $libraries $trains; then
      for model in resnet50 resnet18; do
        try 120 "$folder/gpu-training" $model 128
        bar "$model, bf16, batch 128, images/s" "$status; $(sed -n 's/^tutti //p' "$folder/said" | tr '\n' ';')"
        # With its own libraries.
        try 170 env LD_LIBRARY_PATH="$own_libraries" PYTHONUNBUFFERED=1 python3 benchmarks/pytorch_gpu.py $model 128
        bar "$model by PyTorch (at most as many)" "$status; $(grep -E '^pytorch' "$folder/said" | tr '\n' ';')"
      done
    fi
    if [ -z "$zlib" ]; then bar "law 1 over 100 steps, host and device" "left out: zlib is not here"
    elif program training "main training tutti" $libraries $trains -lz; then
      try 120 "$folder/training"
      bar "law 1 over 100 steps, host and device (largest differences)" "$status; $(sed -n 's/.*MESSAGE: //p' "$folder/said")"
    fi
  fi
fi

if wanted 3; then
  tutti_object; gpu_object; kernels_object; backend_object
  lenet=''
  if [ -n "$cudnn" ] && [ -n "$zlib" ] && [ -n "$onednn" ]; then
    lenet=yes
    for element in float tutti::half tutti::bfloat16; do
      object "train_cnn_${element#tutti::}" examples/train_cnn.cu $kernels $cudnn_include "-DTRAIN_CNN_ELEMENT=$element"
    done
    object train_cnn examples/train_cnn.cpp $host -DTRAIN_CNN_CUDA=1 "-DTRAIN_CNN_DATA=\"$PWD/examples/data\""
  fi
  sanitizer=$(command -v compute-sanitizer || ls "$root"/bin/compute-sanitizer 2>/dev/null)
  if [ -z "$sanitizer" ]; then
    bar "compute-sanitizer" "left out: it is not here"
    failed="$failed; compute-sanitizer is not here"
  else
    program kernels "main kernels tutti" $libraries && program gpu-perf "gpu tutti" $libraries &&
      for tool in memcheck racecheck; do
        try 90 "$sanitizer" --tool $tool --report-api-errors no --error-exitcode 9 "$folder/kernels" --test-case="elementwise*,short floats*"
        bar "compute-sanitizer, $tool, elementwise" "$status"
        try 90 "$sanitizer" --tool $tool --report-api-errors no --error-exitcode 9 "$folder/gpu-perf" threads 2 4096
        bar "compute-sanitizer, $tool, all-reduce" "$status"
      done
    [ -z "$cudnn" ] || ! program backend "main backend tutti" $libraries $trains || {
      try 90 "$sanitizer" --tool memcheck --report-api-errors no --error-exitcode 9 "$folder/backend" --test-case="own kernels*"
      bar "compute-sanitizer, memcheck, kernels of networks" "$status"
    }
  fi
  wait
  if program gpu-perf "gpu tutti" $libraries; then
    all_reduces 4 processes ""
    all_reduces 8 processes ""
    if command -v nvidia-cuda-mps-control >/dev/null; then
      export CUDA_MPS_PIPE_DIRECTORY="$PWD/$folder/mps" CUDA_MPS_LOG_DIRECTORY="$PWD/$folder/mps"
      mkdir -p "$CUDA_MPS_PIPE_DIRECTORY"
      if nvidia-cuda-mps-control -d; then
        for ranks in 2 8; do all_reduces $ranks processes " with MPS"; done
        echo quit | nvidia-cuda-mps-control
      else bar "all-reduce with MPS" "left out: its daemon does not start"
      fi
      unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
    else bar "all-reduce with MPS" "left out: it is not here"
    fi
    # By messages of device memory, where this UCX moves that.
    try 60 "$folder/gpu-perf" messages --ranks 2 67108864
    bar "all-reduce by messages, 2 processes; least and most: bytes, us, staged us" \
      "$status; $(awk '/^left out/ { print } $1 + 0 > 0 && NF == 5 { last = $1 ", " $2 ", " $5; if (!n++) print last } END { if (n > 1) print "; " last }' "$folder/said" | tr -d '\n')"
    # Beside NCCL, where it is (TUTTI_NCCL names it) and each rank has a device of its own.
    rm -f "$folder/tuning"
    for ranks in 1 2 4 8; do
      try 60 "$folder/gpu-perf" devices "$ranks" 268435456 "$folder/tuning"
      bar "all-reduce beside NCCL, devices: $ranks; least and most: bytes, us, NCCL's us" \
        "$status; $(awk '/^left out/ { print } $1 + 0 > 0 && NF == 6 { last = $1 ", " $2 ", " $4; if (!n++) print last } END { if (n > 1) print "; " last }' "$folder/said" | tr -d '\n')"
    done
  fi
  if [ -z "$lenet" ]; then bar "train_cnn --device cuda beside the host" "left out: cuDNN, oneDNN or zlib is not here"
  elif program train_cnn "train_cnn train_cnn_float train_cnn_half train_cnn_bfloat16 tutti" $libraries $trains -ldnnl -lz; then
    # One epoch of the shipped digits is 157 steps: the losses differ by rounding, the accuracies by few digits.
    try 60 "$folder/train_cnn" --ranks 1 --epochs 1
    bar "LeNet's first epoch on the host" "$status; $(awk '/^epoch/ { print }' "$folder/said")"
    for how in "float 1" "bf16 1" "fp16 1" "float 2"; do
      set -- $how
      try 60 "$folder/train_cnn" --ranks "$2" --epochs 1 --device cuda --precision "$1"
      bar "LeNet's first epoch on the device, $1, ranks: $2" "$status; $(awk '/^epoch/ { print }' "$folder/said"); $(tail -n 1 "$folder/said")"
    done
  fi
fi

say "bars"
awk -F '\t' '!($1 in seen) { order[++n] = $1 } { seen[$1] = $2 } END { for (k = 1; k <= n; ++k) printf "%-66s %s\n", order[k], seen[order[k]] }' "$folder/table"
[ -z "$failed" ] || { echo "gpu.sh: failed$failed"; exit 1; }
echo "gpu.sh: all passed"
