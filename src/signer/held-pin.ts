import { Refusal } from "../refusal.ts";
import type { PinSource } from "./pin-source.ts";

/**
 * A PIN that people gave to this very process: it is nowhere else, and a process that dies takes it along. Token
 * children that are restarted log in with it.
 */
export class HeldPin implements PinSource {
  readonly #whenNone: string;
  #pin: Buffer | undefined;
  #identity = "";

  /** @param whenNone what a person must do while no PIN is held */
  constructor(whenNone: string) {
    this.#whenNone = whenNone;
  }

  /** @param identity see PinSource. @param pin belongs to the holder from now on */
  hold(identity: string, pin: Buffer): void {
    this.forget();
    this.#identity = identity;
    this.#pin = pin;
  }

  forget(): void {
    this.#pin?.fill(0);
    this.#pin = undefined;
  }

  async identity(): Promise<string> {
    this.#held();
    return this.#identity;
  }

  async read(): Promise<Buffer> {
    return Buffer.from(this.#held());
  }

  #held(): Buffer {
    if (this.#pin === undefined) throw new Refusal("KEY-CAPTIVE", "needs-person", this.#whenNone);
    return this.#pin;
  }
}
