#!/bin/sh
# The Debian part of the image: make-base.sh OUT.tar [EXTRA-PACKAGE...]
# The only step that needs a network (a Debian mirror). The rest of the build takes its result and the .deb.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
words() { sed 's/#.*//' "$1"; }
packages=$(echo "$(words "$here/base-packages.txt") $*" | tr -s ' \n' ',' | sed 's/^,//; s/,$//')

set --
set -f
for path in /usr/share/man/* /usr/share/locale/* /usr/share/doc/*/changelog*; do
  set -- "$@" "--dpkgopt=path-exclude=$path"
done
for driver in $(words "$here/left-out-drivers.txt"); do
  set -- "$@" "--dpkgopt=path-exclude=/lib/modules/*/kernel/$driver/*"
done

mmdebstrap --quiet --variant=minbase --include="$packages" "$@" \
  --setup-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
  --setup-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/airlock"' \
  --setup-hook='printf "%s\n" squashfs loop ext4 virtio_pci virtio_blk virtio_scsi ahci sd_mod nvme usb_storage uas xhci_pci ehci_pci usbhid hid_generic >"$1/etc/initramfs-tools/modules"' \
  bookworm "$out" ${AIRLOCK_SOURCES:-http://deb.debian.org/debian}
