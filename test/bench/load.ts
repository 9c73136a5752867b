import type { RegisterRequest } from "../../src/gen/airlock/registration/v1/registration.ts";

/** Registers one board; rejects unless the answer is a new certificate. */
export type Send = (request: RegisterRequest) => Promise<void>;

export interface Load {
  readonly count: number;
  /** From the first request to the last answer. */
  readonly elapsedMs: number;
  readonly latenciesMs: Float64Array;
}

/** Counts failures; a load with a single one has no figure. */
class LoadRun {
  readonly #send: Send;
  readonly #latenciesMs: Float64Array;
  readonly #startedMs = performance.now();
  #failures = 0;
  #firstFailure: unknown;

  constructor(send: Send, count: number) {
    this.#send = send;
    this.#latenciesMs = new Float64Array(count);
  }

  /** @param sinceMs when its latency began to count */
  async one(index: number, request: RegisterRequest, sinceMs = performance.now()): Promise<void> {
    try {
      await this.#send(request);
      this.#latenciesMs[index] = performance.now() - sinceMs;
    } catch (error) {
      this.#failures += 1;
      this.#firstFailure ??= error;
    }
  }

  /** @throws Error when anything failed */
  result(): Load {
    const elapsedMs = performance.now() - this.#startedMs;
    const count = this.#latenciesMs.length;
    if (this.#failures === 0) return { count, elapsedMs, latenciesMs: this.#latenciesMs };
    throw new Error(
      `${this.#failures} of ${count} registrations failed, the first with: ${String(this.#firstFailure)}`,
    );
  }
}

/** Closed loop: `inFlight` at any time, the next one as soon as one is answered. */
export async function runClosedLoad(send: Send, requests: readonly RegisterRequest[], inFlight: number): Promise<Load> {
  const run = new LoadRun(send, requests.length);
  const queue = requests.entries();
  const work = async () => {
    for (const [index, request] of queue) await run.one(index, request);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return run.result();
}

/**
 * Open loop: so many each second, whatever becomes of the earlier ones. Latency counts from the time at which a
 * request was due, so that a stall is not hidden by the requests that it held up.
 */
export async function runOpenLoad(send: Send, requests: readonly RegisterRequest[], perSecond: number): Promise<Load> {
  const run = new LoadRun(send, requests.length);
  const startMs = performance.now() + 100;
  const sent = requests.map(async (request, index) => {
    const dueMs = startMs + (index * 1_000) / perSecond;
    await new Promise((resolve) => setTimeout(resolve, dueMs - performance.now()));
    await run.one(index, request, dueMs);
  });
  await Promise.all(sent);
  return run.result();
}

export function ratePerSecond({ count, elapsedMs }: Load): number {
  return (count * 1_000) / elapsedMs;
}
