#!/bin/sh
# Measures what RESULTS.md holds and prints it; takes long, and wants the machine
# for itself.
#
#     benchmarks/results.sh [BUILD] > benchmarks/RESULTS.md      (BUILD: build)
#
# LARGEST is the largest size beside other libraries (64M); where
# LIMIT_DIR names the folder of a limit.cpp, that stands beside them too. Where
# TUTTI_CIFAR names a folder of CIFAR-10's binary batches, ResNet-18 is trained as well.
# Not here, since it takes root and network namespaces, or a Python that has PyTorch:
#     benchmarks/overlap.sh BUILD, benchmarks/hosts.sh BUILD, benchmarks/beside_pytorch
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
for program in tutti-perf interpreter peer-open-mpi peer-mpich peer-gloo; do
  [ -x "$build/benchmarks/$program" ] || { echo "results.sh: there is no $build/benchmarks/$program: build first" >&2; exit 1; }
done
load=$(cut -d ' ' -f 1 /proc/loadavg)
awk -v load="$load" 'BEGIN { exit load < 0.7 }' && echo "results.sh: the load is $load; these figures will not do" >&2

# block COMMAND...: a command, and what it prints
block() {
  printf '\n```\n$ %s\n' "$*"
  "$@"
  printf '```\n'
}

processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
cat <<END
# Measured

$(date +%F), $(nproc) cores of ${processor:-$(uname -m)}, $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release), Linux $(uname -r); load before the start $load.
Made by \`benchmarks/results.sh\`; the commands stand above their output.

## Beside other libraries

The same operands, private buffers, calls back to back, every result checked; in turns. Below 1.00, Tutti is faster than the best peer, which has the star.
END
if [ -n "${LIMIT_DIR:-}" ]; then
  printf '\n```\n$ benchmarks/compare --max %s --limit --limit-dir $LIMIT_DIR\n' "${LARGEST:-64M}"
  benchmarks/compare --build "$build" --max "${LARGEST:-64M}" --limit --limit-dir "$LIMIT_DIR"
  printf '```\n'
else
  block benchmarks/compare --build "$build" --max "${LARGEST:-64M}"
fi
cat <<END

## The model beside the measurement
END
block "$build/benchmarks/tutti-perf" all_reduce --ranks 2 --factor 8 --algorithm all
cat <<END

## Messages

Over tcp on loopback, as between hosts.
END
block env TUTTI_LINK=message benchmarks/compare --build "$build" --peers Gloo --ranks 2,4 --max 16M \
  --ops all_reduce,reduce_scatter,all_gather,broadcast,reduce,barrier
if [ -x "$build/benchmarks/tensors" ]; then
  printf '\n## Sharded tensors\n'
  for program in tensors elements layers; do block "$build/benchmarks/$program" --ranks 2; done
  printf '\n## Bills and what links count\n\nOf every network at full size; 4 ranks take minutes.\n'
  for ranks in 2 4; do block "$build/benchmarks/bills" --ranks "$ranks"; done
fi
cat <<END

## Training

The digits that are shipped, and the whole of MNIST where \`TUTTI_MNIST\` names its folder.
END
block "$build/examples/train_mnist" --ranks 2
if [ -n "${TUTTI_MNIST:-}" ]; then
  printf '\n```\n$ train_mnist --ranks 2 --epochs 3 --data $TUTTI_MNIST\n'
  "$build/examples/train_mnist" --ranks 2 --epochs 3 --data "$TUTTI_MNIST"
  printf '```\n'
fi
if [ -n "${TUTTI_CIFAR:-}" ] && [ -x "$build/benchmarks/training" ]; then
  printf '\n## Training with sums behind backward, at its end, and without\n\nResNet-18 on 512 pictures of CIFAR-10.\n'
  for policy in buckets serial none; do
    printf '\n```\n$ training --ranks 2 --model resnet18 --data $TUTTI_CIFAR --policy %s --samples 512 --epochs 2\n' "$policy"
    "$build/benchmarks/training" --ranks 2 --model resnet18 --data "$TUTTI_CIFAR" --policy "$policy" --samples 512 --epochs 2
    printf '```\n'
  done
  printf '\n## The same training under every layout\n\n```\n$ same_training --ranks 2 --data $TUTTI_CIFAR\n'
  "$build/benchmarks/same_training" --ranks 2 --data "$TUTTI_CIFAR"
  printf '```\n'
fi
cat <<END

## Interpreting schedules

Over a link that does nothing; at most 25 ns a step.
END
block "$build/benchmarks/interpreter"
cat <<END

## Ways of calling

A persistent call should cost no more than a plain one, 32 grouped tensors of
4 KiB at most half of 32 calls.
END
block "$build/benchmarks/calls" --ranks 2
cat <<END

## Compiling

At most 3 s for the README's program.
END
block benchmarks/compile_time.sh
