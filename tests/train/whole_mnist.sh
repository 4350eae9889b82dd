#!/bin/sh
# The bar: after 3 epochs of the whole of MNIST on 2 ranks, the example is right
# on at least 98.5 % of the test digits. Usage: whole_mnist.sh TRAIN_MNIST.
#
# MNIST is too large to ship: the environment variable TUTTI_MNIST names the
# folder with its four IDX files, gzip or not. Exits with 77, and says why, where
# it names none. Continuous integration sets it where its machine has the files.
if [ -z "${TUTTI_MNIST:-}" ]; then
  echo "skipped: TUTTI_MNIST does not name a folder with the whole of MNIST"
  exit 77
fi
if [ ! -d "$TUTTI_MNIST" ]; then
  echo "skipped: TUTTI_MNIST names $TUTTI_MNIST, which is no folder"
  exit 77
fi

output=$("$1" --ranks 2 --epochs 3 --data "$TUTTI_MNIST" 2>&1)
code=$?
printf '%s\n' "$output"
[ $code -eq 0 ] || exit 1
case $output in
  "60000 + 10000 digits, 2 ranks"*) ;;
  *) echo "whole_mnist.sh: that was not the whole of MNIST on 2 ranks" >&2; exit 1 ;;
esac
accuracy=$(printf '%s\n' "$output" | sed -n 's|^epoch 3/3: .*test accuracy \([0-9.]*\) %.*|\1|p')
awk -v accuracy="${accuracy:-0}" 'BEGIN { exit !(accuracy >= 98.5) }' && exit 0
echo "whole_mnist.sh: ${accuracy:-no accuracy} after 3 epochs, at least 98.5 % are asked for" >&2
exit 1
