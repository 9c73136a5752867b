import type { SignerStatus } from "./messages.ts";
import type { Signer } from "./signer.ts";

/** `away` also means that the signer's process cannot be reached. */
export type HsmState = SignerStatus["state"];

/** @param status undefined when the signer's process cannot be reached */
export type OnSignerState = (state: HsmState, before: HsmState, status: SignerStatus | undefined) => Promise<void>;

/**
 * Keeps an eye on the signer: its last known state, and a word when that changes
 * (which must not reject). Asking costs one small message.
 */
export class SignerWatch {
  readonly #signer: Signer;
  readonly #onState: OnSignerState;
  #state: HsmState = "away";
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(signer: Signer, onState: OnSignerState) {
    this.#signer = signer;
    this.#onState = onState;
  }

  get state(): HsmState {
    return this.#state;
  }

  /** Asks now, then again after every interval. */
  async start(intervalMs: number): Promise<void> {
    await this.refresh();
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.start(intervalMs), intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Asks once; never rejects. */
  async refresh(): Promise<HsmState> {
    const status = await this.#signer.status().catch(() => undefined);
    const state = status?.state ?? "away";
    if (state !== this.#state) {
      const before = this.#state;
      this.#state = state;
      await this.#onState(state, before, status);
    }
    return state;
  }
}
