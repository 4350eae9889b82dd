#!/bin/sh
# From a clone to a network in training: installs what is missing, builds, and
# trains on 2 ranks. What is given is passed on to train_mnist.
set -eu
cd "$(dirname "$0")/.."
. examples/packages.sh

need_to_build
need_to_train
wish ccache has_command ccache
install_missing quickstart.sh

[ -f build/build.ninja ] || meson setup build -Dtests=false -Dtrain=enabled
meson configure build -Dtrain=enabled -Dexamples=true
meson compile -C build train_mnist
exec build/examples/train_mnist --ranks 2 "$@"
