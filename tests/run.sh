#!/bin/sh
# Installs what is missing, builds and runs the tests; the last line is the
# count. `sh tests/run.sh [PART...]`, all parts by default:
#   gcc     everything with g++, warnings as errors, in build/
#   clang   the same but for the benchmarks with clang++-16, under the address and
#           undefined-behaviour sanitizers
#   thread  the suite 'threads' with g++ under the thread sanitizer
#   quick   gcc without the suite 'slow'
set -u
cd "$(dirname "$0")/.."
. examples/packages.sh

[ $# -gt 0 ] || set -- gcc clang thread
for part; do
  case $part in
    gcc | quick | thread) ;;
    clang)
      need clang-16 has_command clang++-16
      need libclang-rt-16-dev has_sanitizers clang++-16 ;;
    *) echo "run.sh: '$part' is not a part: gcc, clang, thread, quick" >&2; exit 2 ;;
  esac
done
need_to_build
need_to_train
need doctest-dev has_header doctest/doctest.h
wish ccache has_command ccache
wish cmake has_command cmake
wish libpmix-dev pkg-config --exists pmix
wish openmpi-bin has_command mpirun
wish iproute2 has_command ip
install_missing run.sh || exit 1

# run PART FOLDER COMPILER [SETUP OPTION...] [-- TEST OPTION...]
counts=
run() {
  part=$1 folder=$2 compiler=$3
  shift 3
  options=
  while [ $# -gt 0 ] && [ "$1" != -- ]; do options="$options $1" && shift; done
  [ $# -eq 0 ] || shift
  began=$(date +%s)
  echo "== $part: $($compiler --version | head -n 1)$options"
  if command -v ccache >/dev/null; then compiler="ccache $compiler"; fi
  # Where a clone lies is part of what its debug information says, and of nothing else.
  export CCACHE_NOHASHDIR=1
  options="-Dtests=true -Dexamples=true -Dbenchmarks=true -Dtrain=enabled -Dwerror=true $options"
  log=$folder/meson-logs/testlog.json
  rm -f "$log"
  if setup=$({ [ -f "$folder/build.ninja" ] || CXX=$compiler meson setup "$folder"; } 2>&1 &&
    meson configure "$folder" $options 2>&1); then
    # The thread sanitizer's part builds only what it runs. One test more than there
    # are cores: the longest mostly wait.
    { [ "$part" = thread ] || ninja -C "$folder" --quiet -k 0; } &&
      meson test -C "$folder" --num-processes $(($(nproc) + 1)) --print-errorlogs "$@"
  else
    printf '%s\n' "$setup" >&2
  fi
  if [ -f "$log" ]; then counts="$counts $part=$log"; else counts="$counts $part=failed"; fi
  echo "== $part: $(($(date +%s) - began)) s"
}

for part; do
  case $part in
    gcc) run gcc build g++ ;;
    quick) run quick build g++ -- --no-suite slow ;;
    clang)
      # More memory than there can be is asked for in a test, which wants to see null.
      ASAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_summary=1:allocator_may_return_null=1
      LSAN_OPTIONS=suppressions=$PWD/tests/leaks.txt:print_suppressions=0
      export ASAN_OPTIONS LSAN_OPTIONS
      run clang build-clang clang++-16 -Dbuildtype=plain -Doptimization=1 -Dcpp_args=-gline-tables-only \
        -Db_sanitize=address,undefined -Db_lundef=false -Dcuda=disabled -Dbenchmarks=false -- --timeout-multiplier 5
      unset ASAN_OPTIONS LSAN_OPTIONS ;;
    thread)
      UCX_MEM_MMAP_HOOK_MODE=none
      export UCX_MEM_MMAP_HOOK_MODE
      run thread build-thread g++ -Dbuildtype=plain -Doptimization=1 -Dcpp_args=-g1 -Db_sanitize=thread -Dcuda=disabled -Dbenchmarks=false -- \
        --suite threads --timeout-multiplier 10
      unset UCX_MEM_MMAP_HOOK_MODE ;;
  esac
done

exec python3 tests/count.py $counts
