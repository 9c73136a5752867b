import { execFileSync } from "node:child_process";
import { closeSync, openSync, readSync, writeSync } from "node:fs";

const SECTOR_BYTES = 512;

/** Flips one bit in the first block of the root's partition, where squashfs itself looks at nothing. */
export function changeRoot(disk: string): void {
  const table = JSON.parse(execFileSync("sfdisk", ["--json", disk], { encoding: "utf8" })) as {
    partitiontable: { partitions: readonly { name: string; start: number }[] };
  };
  const root = table.partitiontable.partitions.find(({ name }) => name === "airlock-root");
  if (root === undefined) throw new Error("the disk has no root");
  const place = root.start * SECTOR_BYTES + 4_000;
  const file = openSync(disk, "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, place);
  writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, place);
  closeSync(file);
}
