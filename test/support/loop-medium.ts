import { execFileSync } from "node:child_process";
import { readFileSync, truncateSync } from "node:fs";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type MediumKind = "vfat" | "ext4";

const MAKE: Readonly<Record<MediumKind, readonly string[]>> = {
  vfat: ["mkfs.vfat", "-F", "32", "-n", "STICK"],
  // No blocks kept for root, whom these tests run as.
  ext4: ["mkfs.ext4", "-q", "-F", "-m", "0"],
};

/** Exit status 0: nothing wrong. */
const CHECK: Readonly<Record<MediumKind, readonly string[]>> = {
  vfat: ["fsck.vfat", "-n"],
  ext4: ["fsck.ext4", "-n", "-f"],
};

/** What reads a file out of an image that is not mounted. */
const READ: Readonly<Record<MediumKind, (image: string, file: string) => readonly string[]>> = {
  vfat: (image, file) => ["mtype", "-i", image, `::${file}`],
  ext4: (image, file) => ["debugfs", "-R", `cat ${file}`, image],
};

/** A stick made of a file: a real file system on a real block device, mounted. Needs root. */
export interface LoopMedium {
  readonly image: string;
  readonly path: string;
  mount(...options: string[]): void;
  unmount(...options: string[]): void;
  /** Takes the device away under the mounted file system: from here on the kernel gives I/O errors. */
  pull(): void;
  /** Throws when the file system's own checker finds anything wrong; only while it is not mounted. */
  check(): void;
  /** A file's bytes, read out of the image by a program that has the file system's code of its own. */
  readApart(file: string): Buffer;
  remove(): Promise<void>;
}

/** @throws when this machine cannot mount such a medium, saying why: nothing is skipped */
export async function makeLoopMedium(kind: MediumKind, bytes: number): Promise<LoopMedium> {
  if (!readFileSync("/proc/filesystems", "utf8").includes(`\t${kind}\n`)) {
    throw new Error(`this machine's kernel cannot mount ${kind}: nothing was tested. Run on a kernel that can.`);
  }
  const dir = await mkdtemp(join(tmpdir(), "airlock-loop-"));
  const [image, path] = [join(dir, "image"), join(dir, "mnt")];
  await writeFile(image, "");
  await truncate(image, bytes);
  await mkdir(path);
  const [command = "", ...args] = MAKE[kind];
  execFileSync(command, [...args, image], { stdio: "pipe" });
  let isMounted = false;
  const medium: LoopMedium = {
    image,
    path,
    mount(...options) {
      execFileSync("mount", ["-t", kind, "-o", ["loop", ...options].join(","), image, path], { stdio: "pipe" });
      isMounted = true;
    },
    unmount(...options) {
      execFileSync("umount", [...options, path], { stdio: "pipe" });
      isMounted = false;
    },
    pull() {
      const device = execFileSync("losetup", ["-j", image, "-O", "NAME", "-n"], { encoding: "utf8" }).trim();
      // Not to nothing: of a device of no size at all the kernel does not check whether an access lies beyond its end.
      truncateSync(image, 4_096);
      execFileSync("losetup", ["-c", device], { stdio: "pipe" });
    },
    check() {
      const [program = "", ...options] = CHECK[kind];
      execFileSync(program, [...options, image], { stdio: "pipe" });
    },
    readApart(file) {
      const [program = "", ...options] = READ[kind](image, file);
      return execFileSync(program, options, { maxBuffer: bytes, stdio: ["ignore", "pipe", "pipe"] });
    },
    async remove() {
      if (isMounted) medium.unmount("-l");
      await rm(dir, { recursive: true, force: true });
    },
  };
  return medium;
}
