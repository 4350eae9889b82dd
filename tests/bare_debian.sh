#!/bin/sh
# Runs both commands of the README on a bare Debian 12: a fresh root made by
# debootstrap, with a clone of this tree in it. Needs root, debootstrap, git and
# a mirror; takes minutes, so continuous integration leaves it out.
#
#   sh tests/bare_debian.sh [FOLDER]    the root is made in FOLDER if it is not there
#
# MIRROR names the mirror. The apt settings of this machine are copied in, since
# that is how it reaches one.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
root=${1:-${TMPDIR:-/tmp}/bare-debian}
mirror=${MIRROR:-http://deb.debian.org/debian}

[ "$(id -u)" = 0 ] || { echo "bare_debian.sh: needs root, for chroot" >&2; exit 2; }
if [ ! -x "$root/bin/sh" ]; then debootstrap --variant=minbase bookworm "$root" "$mirror"; fi

leave() { for at in dev/shm dev/pts dev sys proc; do umount "$root/$at" 2>/dev/null || true; done; }
trap leave EXIT
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"
mount -t tmpfs -o size=2g tmpfs "$root/dev/shm"
cp /etc/resolv.conf "$root/etc/resolv.conf"
find /etc/apt/apt.conf.d -name '*proxy*' -exec cp {} "$root/etc/apt/apt.conf.d/" \;

inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 chroot "$root" "$@"; }
id=$(git -C "$top" rev-parse HEAD)
rm -rf "$root/opt/tutti"
git clone -q "$top" "$root/opt/tutti"
git -C "$root/opt/tutti" checkout -q "$id"

echo "== an ordinary user without sudo: it must print the line to run"
inside useradd -m newcomer 2>/dev/null || true
inside chown -R newcomer /opt/tutti
status=0
inside setpriv --reuid newcomer --clear-groups sh /opt/tutti/examples/quickstart.sh || status=$?
[ "$status" -ne 0 ] || { echo "bare_debian.sh: it did not fail; is this root bare?" >&2; exit 1; }
inside chown -R root /opt/tutti

for command in examples/quickstart.sh tests/run.sh; do
  echo "== root: $command"
  began=$(date +%s)
  inside sh "/opt/tutti/$command"
  echo "== $command: $(($(date +%s) - began)) s"
done
