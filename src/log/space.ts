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

/**
 * STORE-SPACE: looks anew in every turn of the event loop, so registrations resume by themselves when there is room
 * again; all that ask in one turn share one look.
 */
export class SpaceGuard {
  readonly #options: SpaceOptions;
  #isEnough: boolean | undefined;

  constructor(options: SpaceOptions) {
    this.#options = options;
  }

  /** The refusal to give while any file system has less than the reserve. */
  shortage(): Refusal | undefined {
    this.#isEnough ??= this.#look();
    if (this.#isEnough) return undefined;
    const sentence = "The appliance's disk is nearly full. Export and take receipts still work; free or add space.";
    return new Refusal("STORE-SPACE", "exhausted", sentence);
  }

  #look(): boolean {
    setImmediate(() => {
      this.#isEnough = undefined;
    });
    const { directories, reserveBytes, freeBytes = freeBytesOf } = this.#options;
    return directories.every((directory) => freeBytes(directory) >= reserveBytes);
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
