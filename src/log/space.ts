import { statfsSync } from "node:fs";
import { Refusal } from "../refusal.ts";
import type { RecordKind } from "./record.ts";

const STOPPED: ReadonlySet<RecordKind> = new Set(["registration", "delivery", "refusals"]);

export interface SpaceOptions {
  /** One directory on every file system that a registration writes to. */
  readonly directories: readonly string[];
  /** Free bytes, on each, below which nothing more is taken. */
  readonly reserveBytes: number;
  /** Free bytes for this process on the file system of a directory; statfs unless a test says otherwise. */
  readonly freeBytes?: (directory: string) => number;
}

/** STORE-SPACE: looks at every call, so registrations resume by themselves when there is room again. */
export class SpaceGuard {
  readonly #options: SpaceOptions;

  constructor(options: SpaceOptions) {
    this.#options = options;
  }

  /** The refusal to give while any file system has less than the reserve. */
  shortage(): Refusal | undefined {
    const { directories, reserveBytes, freeBytes = freeBytesOf } = this.#options;
    if (directories.every((directory) => freeBytes(directory) >= reserveBytes)) return undefined;
    const sentence = "The appliance's disk is nearly full. Export and take receipts still work; free or add space.";
    return new Refusal("STORE-SPACE", "exhausted", sentence);
  }
}

/** Whether records of a kind stop at the reserve. Sealing, receipts and acts go on: the reserve is kept for them. */
export function stopsAtReserve(kind: RecordKind): boolean {
  return STOPPED.has(kind);
}

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
