import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How a command ended in the other kernel, and what it wrote. */
export interface EndedInside {
  readonly code: number;
  readonly output: string;
}

/** FAT with its code pages, and the block device over a file; in the order in which they need one another. */
const MODULES = [
  "fs/fat/fat",
  "fs/fat/vfat",
  "fs/nls/nls_cp437",
  "fs/nls/nls_ascii",
  "fs/nls/nls_iso8859-1",
  "fs/nls/nls_utf8",
  "drivers/block/loop",
];

/**
 * Runs a command under a Linux kernel of its own (Debian's user-mode-linux, an ordinary process), for file systems
 * that this machine's kernel lacks. It sees this machine's files, as root, and no network.
 * @throws when the kernel does not start, ends before the command does, or takes longer than `timeoutMs`
 */
export async function runInOwnKernel(command: readonly string[], timeoutMs: number): Promise<EndedInside> {
  const dir = await mkdtemp(join(tmpdir(), "airlock-uml-"));
  try {
    const init = join(dir, "init");
    await writeFile(init, initScript(command, dir));
    await chmod(init, 0o755);
    const console = await boot(init, dir, timeoutMs);
    const code = await readFile(join(dir, "code"), "utf8").catch(() => undefined);
    if (code === undefined) throw new Error(`the kernel stopped before the command ended: ${console.slice(-2_000)}`);
    return { code: Number(code), output: await readFile(join(dir, "output"), "utf8") };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function boot(init: string, dir: string, timeoutMs: number): Promise<string> {
  const child = spawn(
    "linux.uml",
    ["rootfstype=hostfs", "rootflags=/", "rw", "mem=768M", `init=${init}`, "con=null", "con0=null,fd:1", "quiet"],
    // It keeps its memory as a file in TMPDIR, and crashes without a HOME for its sockets.
    { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, TMPDIR: dir, HOME: dir }, detached: true },
  );
  let console = "";
  const onText = (chunk: Buffer) => {
    console += chunk.toString("latin1");
  };
  child.stdout.on("data", onText);
  child.stderr.on("data", onText);
  // The kernel is several processes: the whole group goes.
  const timer = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"), timeoutMs);
  await once(child, "close").finally(() => clearTimeout(timer));
  return console;
}

/** What the other kernel runs instead of init; when it has ended, the kernel is told to stop. */
function initScript(command: readonly string[], dir: string): string {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  return `#!/bin/sh
export PATH='${process.env.PATH}:/usr/sbin:/sbin' TMPDIR='${tmpdir()}' HOME=/root
mount -t proc proc /proc && mount -t sysfs sys /sys
for module in ${MODULES.join(" ")}; do
  insmod /usr/lib/uml/modules/$(uname -r)/kernel/$module.ko
done
cd '${process.cwd()}'
${quoted} >'${dir}/output' 2>&1
echo $? >'${dir}/code'
sync
echo o >/proc/sysrq-trigger
sleep 60
`;
}
