import { statfs } from "node:fs/promises";
import { Refusal } from "../refusal.ts";
import type { Profile } from "./ledger-line.ts";

/** How long one look at the file system is believed. Far more lines fit into any reserve than are written meanwhile. */
const BELIEVED_MS = 1_000;

export type FreeBytes = () => Promise<number>;

export function freeBytesOf(directory: string): FreeBytes {
  return async () => {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  };
}

/**
 * STORE-SPACE on the ledger's file system: registrations stop by name while a seal and its notes still fit. A full
 * disk would end the signer in the middle of a line instead.
 */
export class LedgerSpace {
  readonly #freeBytes: FreeBytes;
  readonly #reserveBytes: number;
  #isEnough = true;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #look: Promise<void> | undefined;

  constructor(freeBytes: FreeBytes, reserveBytes: number) {
    this.#freeBytes = freeBytes;
    this.#reserveBytes = reserveBytes;
  }

  /** @throws Refusal STORE-SPACE `exhausted` */
  async check(profile: Profile): Promise<void> {
    if (profile !== "device") return;
    if (performance.now() - this.#lookedAt > BELIEVED_MS) await this.#lookOnce();
    if (this.#isEnough) return;
    throw new Refusal(
      "STORE-SPACE",
      "exhausted",
      "The disk of the signer's ledger is nearly full: nothing was signed. Make room there; sealing and export still work.",
    );
  }

  /** One look for all that ask at the same time. */
  #lookOnce(): Promise<void> {
    this.#look ??= this.#lookNow().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  async #lookNow(): Promise<void> {
    this.#isEnough = (await this.#freeBytes()) >= this.#reserveBytes;
    this.#lookedAt = performance.now();
  }
}
