import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type MediumKind = "vfat" | "ext4";

const MAKE: Readonly<Record<MediumKind, readonly string[]>> = {
  vfat: ["mkfs.vfat", "-F", "32", "-n", "STICK"],
  // No blocks kept for root, whom these tests run as.
  ext4: ["mkfs.ext4", "-q", "-F", "-m", "0"],
};

/** A stick made of a file: a real file system on a real block device, mounted. Needs root. */
export interface LoopMedium {
  readonly image: string;
  readonly path: string;
  mount(...options: string[]): void;
  unmount(...options: string[]): void;
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
    async remove() {
      if (isMounted) medium.unmount("-l");
      await rm(dir, { recursive: true, force: true });
    },
  };
  return medium;
}
