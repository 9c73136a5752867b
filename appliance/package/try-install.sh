#!/bin/sh
# Proves that the package needs nothing: try-install.sh DEB [ROOT.tar]
# Unpacks a fresh Debian root (made by mmdebstrap unless one is given), takes the network away, installs the package
# with dpkg -i, walks the whole demo with the installed programs, judges what it left with openssl, and then removes,
# purges and downgrades. Needs root. The only thing fetched, before the network goes, is Debian itself.
set -eu
checkout=$(cd "$(dirname "$0")/../.." && pwd)
deb=$(realpath "$1")
base=${2-}
work=$(mktemp -d "${TMPDIR:-/tmp}/airlock-install-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

if [ -z "$base" ]; then
  base=$work/root.tar
  echo "== a fresh Debian root: essential packages, SoftHSM, openssl"
  mmdebstrap --quiet --variant=minbase --include=softhsm2,openssl bookworm "$base" http://deb.debian.org/debian
fi
root=$work/root
mkdir "$root"
tar -xf "$base" -C "$root" --exclude='./dev/*'
cp "$deb" "$root/airlock.deb"
mkdir -p "$root/checkout" "$root/out"

# A network, mount and process namespace of its own, in which nothing is but loopback.
unshare --net --mount --pid --fork --kill-child sh -eu -s "$root" "$checkout" <<'INSIDE'
root=$1
checkout=$2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
# The demo's own driver plays the people and the Factory; the programs are the installed ones.
mount --bind "$checkout" "$root/checkout"
mount -o remount,bind,ro "$root/checkout"
ip link set lo up
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 sh -eu <<'CHROOT'
fail() { echo "try-install: $*" >&2; exit 1; }
echo "== the network: $(sed -n '3,$s/:.*//p' /proc/net/dev | tr -d '\n ')"
[ "$(sed -n '3,$p' /proc/net/dev | wc -l)" = 1 ] || fail "there is a network"

echo "== dpkg -i"
dpkg -i /airlock.deb
for program in airlockd airlock-signer airlock-custody airlock-export airlock-import airlock-bridge; do
  "$program" --help >/dev/null || fail "$program --help"
done
for user in airlock airlock-signer airlock-bridge airlock-operator; do getent passwd "$user" >/dev/null || fail "no $user"; done
if [ -n "$(find /usr/lib/airlock /etc/airlock \( -not -user root -o -perm /022 \) -not -type l)" ]; then
  fail "code or configuration that others can write"
fi
setpriv --reuid=airlock-operator --regid=airlock-operator --clear-groups ls /var/lib/airlock >/dev/null 2>&1 &&
  fail "the export tool's user can read the store"

echo "== the demo journey, with the installed programs"
AIRLOCK_PROGRAMS=/usr/bin /usr/lib/airlock/bin/node /checkout/src/sandbox/demo.ts --devices 25 --dir /out
sh /checkout/.ci/judge-demo.sh /out 25

echo "== upgrade, downgrade, remove, purge"
echo kept >/var/lib/airlock/journal/witness
dpkg -i /airlock.deb >/dev/null
[ "$(cat /var/lib/airlock/journal/witness)" = kept ] || fail "an upgrade touched the store"
echo 999 >/var/lib/airlock/store-format
dpkg -i /airlock.deb >/tmp/downgrade 2>&1 && fail "a package older than the store was installed"
grep -q 'the store is of format 999' /tmp/downgrade || fail "the downgrade was refused without its sentence"
echo "downgrade refused: $(sed -n 's/^airlock: the store/the store/p' /tmp/downgrade)"
airlockd --help >/dev/null || fail "the refused downgrade broke what was installed"
rm /var/lib/airlock/store-format
dpkg --remove airlock >/dev/null
[ ! -e /usr/bin/airlockd ] || fail "removed, but airlockd is there"
[ "$(cat /var/lib/airlock/journal/witness)" = kept ] || fail "removing touched the store"
dpkg --purge airlock </dev/null
[ "$(cat /var/lib/airlock/journal/witness)" = kept ] || fail "an unattended purge destroyed the store"
dpkg -i /airlock.deb >/dev/null
AIRLOCK_PURGE_DATA=yes dpkg --purge airlock
[ ! -e /var/lib/airlock ] || fail "a confirmed purge left the store"
echo "try-install: all good"
CHROOT
INSIDE
