import { readFile, realpath } from "node:fs/promises";
import { dirname } from "node:path";

/** A mounted file system on a device that people pull out. */
export interface RemovableMedium {
  readonly path: string;
  /** vfat, exfat, ext4 … */
  readonly fileSystem: string;
}

/** The kernel's own files; undefined for what is not there. */
export interface KernelFiles {
  read(path: string): Promise<string | undefined>;
  /** Where a path leads, links resolved. */
  resolve(path: string): Promise<string | undefined>;
}

const kernelFiles: KernelFiles = {
  read: (path) => readFile(path, "utf8").catch(() => undefined),
  resolve: (path) => realpath(path).catch(() => undefined),
};

/** Where systems mount what is plugged in; a removable disk elsewhere may be the system's own. */
const MOUNT_PLACES = /^\/(?:media|mnt|run\/media)\//;

/** Whether a path lies where systems mount what is plugged in. */
export function isMountPlace(path: string): boolean {
  return MOUNT_PLACES.test(path);
}

const FILE_SYSTEMS = new Set(["vfat", "exfat", "msdos", "ntfs", "ntfs3", "fuseblk", "ext2", "ext3", "ext4", "udf"]);

/**
 * Finds the sticks that are mounted now: block devices that the kernel calls removable, or that hang on USB (many
 * USB disks do not call themselves removable).
 */
export async function findRemovableMedia(kernel: KernelFiles = kernelFiles): Promise<RemovableMedium[]> {
  const mounts = parseMountInfo((await kernel.read("/proc/self/mountinfo")) ?? "");
  const found = new Map<string, RemovableMedium>();
  for (const { path, fileSystem, device } of mounts) {
    const isCandidate = FILE_SYSTEMS.has(fileSystem) && MOUNT_PLACES.test(path);
    if (isCandidate && (await isRemovable(device, kernel))) found.set(path, { path, fileSystem });
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface Mount {
  readonly path: string;
  readonly fileSystem: string;
  /** major:minor. */
  readonly device: string;
}

/** proc(5): id, parent, major:minor, root, mount point, options, optional fields, "-", type, source, options. */
export function parseMountInfo(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , device, , path] = before.split(" ");
    const [fileSystem] = after.split(" ");
    if (device === undefined || path === undefined || fileSystem === undefined || fileSystem === "") return [];
    return [{ path: unescapeMount(path), fileSystem, device }];
  });
}

/** Blanks, tabs, line feeds and backslashes stand as octal escapes. */
function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_escape, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

async function isRemovable(device: string, kernel: KernelFiles): Promise<boolean> {
  // /sys/devices/pci0000:00/…/usb2/2-1/…/block/sdb/sdb1 for a partition, …/block/sdb for a whole disk.
  const place = await kernel.resolve(`/sys/dev/block/${device}`);
  if (place === undefined) return false;
  if (/\/usb\d+\//.test(place)) return true;
  // A partition has no flag of its own: its disk is the directory above.
  for (const path of [`${place}/removable`, `${dirname(place)}/removable`]) {
    if ((await kernel.read(path))?.trim() === "1") return true;
  }
  return false;
}
