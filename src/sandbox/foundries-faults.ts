/** What can go wrong between a client and the API. */
export type Fault =
  /** An HTTP status in place of the answer; nothing was done. */
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string }
  /** The answer, but so many milliseconds later. */
  | { readonly kind: "latency"; readonly ms: number }
  /** The connection closes and nothing was done. */
  | { readonly kind: "drop-before" }
  /** The request is carried out, then the connection closes without an answer. */
  | { readonly kind: "drop-after" }
  /** The request is carried out, then the answer breaks off in the middle. */
  | { readonly kind: "cut-answer" }
  /** A body of the right status that is not what the API sends; nothing was done. */
  | { readonly kind: "body"; readonly status: number; readonly body: string };

interface Armed {
  readonly fault: Fault;
  readonly method: string | undefined;
  left: number;
}

/** The switchboard of one sandbox: faults strike in the order in which they were set, each its number of times. */
export class FaultSwitch {
  #armed: Armed[] = [];

  /** `times`: how many requests it strikes, 1 by default; `method`: only requests of this method. */
  set(fault: Fault, options: { readonly times?: number; readonly method?: string } = {}): void {
    this.#armed.push({ fault, method: options.method, left: options.times ?? 1 });
  }

  clear(): void {
    this.#armed = [];
  }

  /** The fault that strikes this request, used up by it. */
  take(method: string): Fault | undefined {
    const armed = this.#armed.find((entry) => entry.method === undefined || entry.method === method);
    if (armed === undefined) return undefined;
    armed.left -= 1;
    if (armed.left <= 0) this.#armed = this.#armed.filter((entry) => entry !== armed);
    return armed.fault;
  }
}
