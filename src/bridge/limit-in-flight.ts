import { Refusal } from "../refusal.ts";

/** Lets at most so many registrations run at once; those above are told to come again. */
export class InFlightLimit {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** @throws Refusal SERVICE-STATE `exhausted` before the work begins; otherwise what the work throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#count >= this.#max) {
      throw new Refusal(
        "SERVICE-STATE",
        "exhausted",
        "Too many devices register at this station at once. Wait a moment and run the registration again.",
      );
    }
    this.#count += 1;
    try {
      return await work();
    } finally {
      this.#count -= 1;
    }
  }
}
