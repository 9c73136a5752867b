import { Refusal } from "../refusal.ts";

/**
 * Counts registrations under way, so that sealing can wait for a moment in which every signature has its record, and
 * shutdown for the last answer.
 */
export class IssuingGate {
  readonly #limit: number;
  #inFlight = 0;
  #isClosed = false;
  #isShut = true;
  #drained: PromiseWithResolvers<void> | undefined;
  #resumed: PromiseWithResolvers<void> | undefined;
  /** Resolves when every pause that was asked for has ended. */
  #lastPause: Promise<void> = Promise.resolve();

  /** @param limit registrations that may be past the gate at once: the ledger's in-flight limit (SIGN-LEDGER). */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Passes one registration; `leave` must follow.
   * @throws Refusal `exhausted` beyond the limit, `away` while the service stops.
   */
  async enter(): Promise<void> {
    while (this.#resumed !== undefined && !this.#isClosed) await this.#resumed.promise;
    if (this.#isClosed) {
      throw new Refusal("SERVICE-STATE", "away", "The appliance is stopping. Nothing was issued; try again shortly.");
    }
    if (this.#isShut) {
      throw new Refusal("SERVICE-STATE", "away", "The HSM cannot be reached. Nothing was issued; try again shortly.");
    }
    if (this.#inFlight >= this.#limit) {
      throw new Refusal("SERVICE-STATE", "exhausted", "Too many registrations at once. Try again in a moment.");
    }
    this.#inFlight += 1;
  }

  /** True until the ledger has been compared with the log, and while the signer is away. */
  get isShut(): boolean {
    return this.#isShut;
  }

  open(): void {
    this.#isShut = false;
  }

  shut(): void {
    this.#isShut = true;
  }

  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#drained?.resolve();
  }

  /**
   * Lets nobody in and waits until nobody is left inside; the returned function opens again. One pause at a time: two
   * that bring log and ledger level together would each record the same signatures, and the sums never agree again.
   */
  async pause(): Promise<() => void> {
    const before = this.#lastPause;
    const { promise, resolve: end } = Promise.withResolvers<void>();
    this.#lastPause = promise;
    await before;
    const resumed = Promise.withResolvers<void>();
    this.#resumed = resumed;
    await this.#untilEmpty();
    return () => {
      this.#resumed = undefined;
      resumed.resolve();
      end();
    };
  }

  /** For ever, and waits until nobody is left inside. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#resumed?.resolve();
    await this.#untilEmpty();
  }

  async #untilEmpty(): Promise<void> {
    while (this.#inFlight > 0) {
      this.#drained ??= Promise.withResolvers();
      await this.#drained.promise;
      this.#drained = undefined;
    }
  }
}
