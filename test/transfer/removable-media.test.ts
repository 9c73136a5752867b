import assert from "node:assert/strict";
import { findRemovableMedia, type KernelFiles, parseMountInfo } from "../../src/transfer/removable-media.ts";

const MOUNTS = `22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
30 22 0:5 / /proc rw,nosuid - proc proc rw
410 22 8:17 / /media/op/MY\\040STICK rw,nosuid shared:220 master:1 - vfat /dev/sdb1 rw,uid=1000
411 22 8:32 / /media/op/WHOLE rw - exfat /dev/sdc rw
412 22 8:1 / /mnt/archive rw - ext4 /dev/sda1 rw
413 22 179:1 / /media/op/CARD rw - vfat /dev/mmcblk0p1 rw
414 22 8:49 / /srv/usb rw - vfat /dev/sdd1 rw
416 22 8:65 / /media/op/INSTALLER ro - iso9660 /dev/sde1 ro
415 22 0:50 / /media/op/share rw - nfs4 server:/x rw
`;

const SYS: Readonly<Record<string, string>> = {
  "/sys/dev/block/8:17":
    "/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/sdb1",
  "/sys/dev/block/8:32": "/sys/devices/pci0000:00/ata3/host2/target2:0:0/2:0:0:0/block/sdc",
  "/sys/dev/block/8:1": "/sys/devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1",
  "/sys/dev/block/179:1": "/sys/devices/platform/sdhci/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1",
  "/sys/dev/block/8:65": "/sys/devices/pci0000:00/0000:00:14.0/usb2/2-3/2-3:1.0/host8/block/sde/sde1",
  "/sys/dev/block/8:49": "/sys/devices/pci0000:00/0000:00:14.0/usb2/2-2/2-2:1.0/host7/block/sdd/sdd1",
};

const FILES: Readonly<Record<string, string>> = {
  "/proc/self/mountinfo": MOUNTS,
  [`${SYS["/sys/dev/block/8:32"]}/removable`]: "1\n",
  "/sys/devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block/sda/removable": "0\n",
  "/sys/devices/platform/sdhci/mmc_host/mmc0/mmc0:0001/block/mmcblk0/removable": "1\n",
};

function kernel(files = FILES): KernelFiles {
  return { read: async (path) => files[path], resolve: async (path) => SYS[path] };
}

describe("transfer/removable-media", () => {
  it("BUNDLE-SUMS finds sticks, cards and whole disks where media are mounted, and nothing of the system's own", async () => {
    assert.deepEqual(await findRemovableMedia(kernel()), [
      { path: "/media/op/CARD", fileSystem: "vfat" },
      { path: "/media/op/MY STICK", fileSystem: "vfat" },
      { path: "/media/op/WHOLE", fileSystem: "exfat" },
    ]);
  });

  it("BUNDLE-SUMS finds none where there is none, or nothing to ask", async () => {
    assert.deepEqual(await findRemovableMedia(kernel({})), []);
    assert.deepEqual(await findRemovableMedia(kernel({ "/proc/self/mountinfo": MOUNTS.split("\n")[0] ?? "" })), []);
  });

  it("BUNDLE-SUMS skips lines of the mount table that are not of its form", () => {
    assert.deepEqual(parseMountInfo("\nnonsense\n1 2 3:4 / /x rw\n"), []);
  });
});
