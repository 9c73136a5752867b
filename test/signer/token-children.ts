import { readFile } from "node:fs/promises";

/** Process ids of a signer's token children, oldest first. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

/** As the kernel does to a process that crashes or is out of memory. */
export async function killChildren(pid: number): Promise<void> {
  for (const child of await childrenOf(pid)) process.kill(child, "SIGKILL");
}
