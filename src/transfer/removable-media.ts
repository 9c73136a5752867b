import { readFile } from "node:fs/promises";

/** A mounted file system on a device that people pull out. */
export interface RemovableMedium {
  readonly path: string;
  /** vfat, exfat, ext4 … */
  readonly fileSystem: string;
}

/** Reads a file of the kernel's; undefined when it is not there. */
export type ReadKernelFile = (path: string) => Promise<string | undefined>;

/** Where systems mount what is plugged in; a removable disk elsewhere may be the system's own. */
const MOUNT_PLACES = /^\/(?:media|mnt|run\/media)\//;
const FILE_SYSTEMS = new Set(["vfat", "exfat", "msdos", "ntfs", "ntfs3", "fuseblk", "ext2", "ext3", "ext4", "udf"]);

/**
 * Finds the sticks that are mounted now: block devices that the kernel calls removable, or that hang on USB (many
 * USB disks do not call themselves removable).
 */
export async function findRemovableMedia(readKernelFile: ReadKernelFile = readIfThere): Promise<RemovableMedium[]> {
  const mounts = parseMountInfo((await readKernelFile("/proc/self/mountinfo")) ?? "");
  const found = new Map<string, RemovableMedium>();
  for (const { path, fileSystem, device } of mounts) {
    const isCandidate = FILE_SYSTEMS.has(fileSystem) && MOUNT_PLACES.test(path);
    if (isCandidate && (await isRemovable(device, readKernelFile))) found.set(path, { path, fileSystem });
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

async function isRemovable(device: string, readKernelFile: ReadKernelFile): Promise<boolean> {
  const sys = `/sys/dev/block/${device}`;
  // A partition has no flag of its own: its disk is the directory above.
  for (const path of [`${sys}/removable`, `${sys}/../removable`]) {
    if ((await readKernelFile(path))?.trim() === "1") return true;
  }
  for (const path of [`${sys}/device/uevent`, `${sys}/../device/uevent`, `${sys}/uevent`]) {
    if (/^(?:DRIVER|ID_BUS|DEVTYPE)=.*usb/im.test((await readKernelFile(path)) ?? "")) return true;
  }
  return false;
}

function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
