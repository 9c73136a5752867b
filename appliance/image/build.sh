#!/bin/sh
# The bootable image: build.sh DEB BASE.tar OUT.img [SIGNER-DROP-IN...]
# GPT, UEFI, one signed-or-signable boot file with the kernel's command line inside, a read-only squashfs root, and three
# writable partitions: state, journal, database. Needs root, and no network: BASE.tar is make-base.sh's result.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
deb=$(realpath "$1")
base=$(realpath "$2")
out=$(realpath -m "$3")
shift 3
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}
work=$(mktemp -d "${TMPDIR:-/tmp}/airlock-image-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
state=$work/state
say() { echo "image: $*"; }

# Fixed names: the boot file's command line finds the root by one of them.
root_partuuid=5a1c0000-0000-4000-8000-000000000002

say "Debian, and the package"
mkdir "$root"
tar -xf "$base" -C "$root"
cp "$deb" "$root/airlock.deb"
unshare --net chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg -i /airlock.deb >/dev/null
rm "$root/airlock.deb"

say "initial RAM disk"
# It opens the root; made anew, with what that needs, from what is installed.
install -D -m 0755 -t "$root/etc/initramfs-tools/scripts/local-top" "$here/initramfs/airlock-root"
echo dm_verity >>"$root/etc/initramfs-tools/modules"
SOURCE_DATE_EPOCH=$epoch chroot "$root" update-initramfs -u -k all >/dev/null 2>&1

say "what makes it an appliance"
cp -a --no-preserve=ownership "$here/root/." "$root/"
chmod 0440 "$root/etc/sudoers.d/airlock"
chmod 0755 "$root"/usr/lib/airlock-image/* "$root/usr/bin/carry-out" "$root/usr/bin/set-clock"
for user in custodian operator; do
  # Debian has a group operator already, with nothing in it.
  chroot "$root" getent group "$user" >/dev/null || chroot "$root" groupadd "$user"
  chroot "$root" useradd --gid "$user" --home-dir "/var/lib/airlock-console/$user" --shell /bin/bash --no-create-home "$user"
  chroot "$root" passwd --quiet --delete "$user"
done
chroot "$root" passwd --quiet --lock root
# /etc/shadow is on the partition that can be written: a password put there by hand must not give a root shell.
chroot "$root" usermod --shell /usr/sbin/nologin root
chroot "$root" visudo --check --strict --quiet
chroot "$root" usermod --append --groups systemd-journal custodian
echo airlock >"$root/etc/hostname"
printf '127.0.0.1 localhost airlock\n' >"$root/etc/hosts"
# The root cannot keep an identity that is made at the first boot, and systemd binds the PIN's credential to it: the same
# one in every version for ever, or an update would leave a machine that cannot read its PIN. What is this machine's alone
# is the key in /var/lib/systemd/credential.secret.
echo 65102948c50acbc30c0cf01ee4ded7aa >"$root/etc/machine-id"
rm -rf "$root/etc/systemd/network"
ln -s /etc/airlock/network "$root/etc/systemd/network"
for unit in airlock-signer.service airlock-ceremony.service; do
  for drop_in in "$@"; do install -D -m 0644 -t "$root/usr/lib/systemd/system/$unit.d" "$drop_in"; done
done
systemctl --quiet --root="$root" enable airlock-firewall.service airlock-signer.service airlockd.socket airlockd.service systemd-networkd.service
systemctl --quiet --root="$root" mask systemd-logind.service ctrl-alt-del.target apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer motd-news.timer systemd-networkd-wait-online.service \
  getty-static.service sys-fs-fuse-connections.mount modprobe@fuse.service modprobe@drm.service systemd-firstboot.service
systemctl --quiet --root="$root" set-default multi-user.target
# Nothing on the machine fetches or installs anything.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/etc/apt/sources.list* "$root"/var/log/*.log "$root"/etc/resolv.conf

say "the state that can change"
cp -a "$root/var" "$state"
install -d -m 0755 "$state/lib/airlock-etc" "$state/lib/airlock-console"
cp -a "$root/etc/airlock/." "$state/lib/airlock-etc/"
install -d "$state/lib/airlock-etc/network"
install -m 0640 -o 0 -g "$(sed -n 's/^shadow:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/group")" "$root/etc/shadow" "$state/lib/airlock-console/shadow"
for user in custodian operator; do
  ids=$(sed -n "s/^$user:[^:]*:\([0-9]*\):\([0-9]*\):.*/\1:\2/p" "$root/etc/passwd")
  install -d -m 0700 -o "${ids%:*}" -g "${ids#*:}" "$state/lib/airlock-console/$user"
done
cat >"$state/lib/airlock-console/custodian/.profile" <<'PROFILE'
umask 022
[ -e /etc/airlock/commissioned ] || exec sudo /usr/lib/airlock-image/first-boot
PROFILE
chmod 0644 "$state/lib/airlock-console/custodian/.profile"
find "$root/var" -mindepth 1 -delete
rm -rf "$root"/etc/airlock/* "$root"/run/*

say "boot file, and the root with its hash tree"
cp "$root"/boot/vmlinuz-* "$work/kernel"
cp "$root"/boot/initrd.img-* "$work/initrd"
rm -rf "$root"/boot/* "$root"/vmlinuz* "$root"/initrd*
mksquashfs "$root" "$work/root.squashfs" -comp zstd -Xcompression-level 6 -noappend -no-progress -quiet \
  -mkfs-time "$epoch" -all-time "$epoch" -no-exports >/dev/null
# The tree begins where the data ends. Its salt is no secret; a fixed one gives the same bytes from the same package.
blocks=$((($(stat -c %s "$work/root.squashfs") + 4095) / 4096))
truncate -s $((blocks * 4096)) "$work/root.squashfs"
salt=$(sha256sum <"$deb" | cut -c 1-64)
root_hash=$(veritysetup format --no-superblock --hash=sha256 --salt="$salt" --data-blocks="$blocks" \
  --hash-offset=$((blocks * 4096)) "$work/root.squashfs" "$work/root.squashfs" | sed -n 's/^Root hash:[[:space:]]*//p')
[ ${#root_hash} = 64 ]
printf 'root=/dev/mapper/airlock-root rootfstype=squashfs ro airlock.root=%s:%s:%s:%s panic=10 oops=panic slab_nomerge init_on_alloc=1 page_alloc.shuffle=1 vsyscall=none debugfs=off systemd.gpt_auto=0 quiet console=tty0 console=ttyS0,115200' \
  "$root_partuuid" "$blocks" "$salt" "$root_hash" >"$work/cmdline"
objcopy \
  --add-section .osrel="$root/usr/lib/os-release" --change-section-vma .osrel=0x20000 \
  --add-section .cmdline="$work/cmdline" --change-section-vma .cmdline=0x30000 \
  --add-section .linux="$work/kernel" --change-section-vma .linux=0x2000000 \
  --add-section .initrd="$work/initrd" --change-section-vma .initrd=0x4000000 \
  "${AIRLOCK_STUB:-/usr/lib/systemd/boot/efi/linuxx64.efi.stub}" "$work/boot.efi"

say "partitions"
mib() { echo $((($(stat -c %s "$1") + 1048575) / 1048576)); }
# Room to grow: an update writes these two partitions anew, and the others must stay where they are.
esp_mib=96
[ "$(mib "$work/boot.efi")" -le 90 ] && [ "$(mib "$work/root.squashfs")" -le 384 ]
truncate -s 384M "$work/root.squashfs"
truncate -s ${esp_mib}M "$work/esp"
mformat -i "$work/esp" -F -v AIRLOCK -N 5a1c0001 ::
mmd -i "$work/esp" ::/EFI ::/EFI/BOOT
mcopy -i "$work/esp" "$work/boot.efi" ::/EFI/BOOT/BOOTX64.EFI
disk() { # disk NAME MIB DIRECTORY: without lost+found, which a new log would take for something of its own
  truncate -s "$2"M "$work/$1.disk"
  mke2fs -q -t ext4 -L "airlock-$1" -d "$3" "$work/$1.disk"
  debugfs -w -R 'rmdir lost+found' "$work/$1.disk" 2>/dev/null
}
mkdir "$work/empty"
disk state "${AIRLOCK_STATE_MIB:-512}" "$state"
disk journal "${AIRLOCK_JOURNAL_MIB:-512}" "$work/empty"
disk database "${AIRLOCK_DATABASE_MIB:-512}" "$work/empty"

say "disk"
rm -f "$out"
at=1
table="label: gpt
label-id: 5a1c0000-0000-4000-8000-000000000000
"
place=
for part in esp root.squashfs state.disk journal.disk database.disk; do
  size=$(mib "$work/$part")
  case $part in
    esp) kind=C12A7328-F81F-11D2-BA4B-00A0C93EC93B uuid=5a1c0000-0000-4000-8000-000000000001 name=airlock-esp ;;
    root.squashfs) kind=0FC63DAF-8483-4772-8E79-3D69D8477DE4 uuid=$root_partuuid name=airlock-root ;;
    *) kind=0FC63DAF-8483-4772-8E79-3D69D8477DE4 uuid=$(printf '5a1c0000-0000-4000-8000-%012d' "$at") name=airlock-${part%.disk} ;;
  esac
  table="$table
start=$((at * 2048)), size=$((size * 2048)), type=$kind, uuid=$uuid, name=\"$name\""
  place="$place $part:$at"
  at=$((at + size))
done
truncate -s $((at + 1))M "$out"
printf '%s\n' "$table" | sfdisk --quiet "$out"
for entry in $place; do
  dd if="$work/${entry%:*}" of="$out" bs=1M seek="${entry#*:}" conv=notrunc,sparse status=none
done
say "root hash $root_hash; boot file sha256 $(sha256sum <"$work/boot.efi" | cut -c 1-64)"
say "$out: $(du -m "$out" | cut -f 1) MiB used, root $((blocks / 256)) MiB, $(ls "$root/var" | wc -l) files in the image's own /var"
sha256sum "$out"
