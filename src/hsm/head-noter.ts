import type { LogHead } from "./messages.ts";
import type { Signer } from "./signer.ts";

/**
 * Notes the log's head in the signer's ledger soon after the log falls idle, so that the window in which a rolled-back
 * log looks like a crash stays under a second (STORE-HEAD). While registrations run, their own signatures name the head.
 */
export class HeadNoter {
  readonly #signer: Signer;
  readonly #head: () => LogHead;
  #seen: string;
  #noted = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(signer: Signer, head: () => LogHead) {
    this.#signer = signer;
    this.#head = head;
    this.#seen = head().hash;
  }

  start(intervalMs: number): void {
    this.#timer = setInterval(() => void this.#tick(), intervalMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.note();
  }

  /** Notes the head now if it is not noted yet; a signer that is away hears it at a later tick. */
  async note(): Promise<void> {
    const head = this.#head();
    if (head.hash === this.#noted) return;
    await this.#signer.noteHead(head).then(
      () => {
        this.#noted = head.hash;
      },
      () => undefined,
    );
  }

  async #tick(): Promise<void> {
    const { hash } = this.#head();
    const isIdle = hash === this.#seen;
    this.#seen = hash;
    if (isIdle) await this.note();
  }
}
