#!/bin/sh
# npm run image [-- SIGNER-DROP-IN...]: the package, Debian (once; kept in dist/image/base.tar), the image.
# An image with SoftHSM in it, for evaluation: AIRLOCK_HSM_PACKAGES=softhsm2, and drop-ins/softhsm.conf as the drop-in.
set -eu
cd "$(dirname "$0")/../.."
out=dist/image
mkdir -p "$out"
for tool in mmdebstrap mksquashfs sfdisk mformat qemu-system-x86_64 debugfs objcopy veritysetup; do
  command -v "$tool" >/dev/null || { echo "image: $tool is missing. apt install mmdebstrap squashfs-tools fdisk mtools qemu-system-x86 ovmf systemd-boot-efi e2fsprogs binutils cryptsetup-bin" >&2; exit 1; }
done
node_modules/.bin/node appliance/package/main.ts
# shellcheck disable=SC2086
[ -s "$out/base.tar" ] || sh appliance/image/make-base.sh "$out/base.tar" ${AIRLOCK_HSM_PACKAGES-}
sh appliance/image/build.sh "$(ls dist/package/airlock_*_amd64.deb)" "$out/base.tar" "$out/airlock.img" "$@"
