import type { Clock } from "../clock.ts";

/** Waiting between tries, shared by all calls of a run: when the server asks for a pause, everybody pauses. */
export interface Backoff {
  /** Resolves when the next call may start. */
  ready(): Promise<void>;
  /** Notes a failure that may pass; `attempt` counts from 1. Resolves when this caller may try again. */
  failed(attempt: number, retryAfterMs: number | undefined): Promise<void>;
  succeeded(): void;
  /** So many failures in a row, no success between them, that the server is down rather than busy. */
  isHopeless(): boolean;
}

export interface BackoffParts {
  readonly clock: Clock;
  readonly wait: (ms: number) => Promise<void>;
  /** From 0 to 1; spreads retries so that they do not come in step. */
  readonly random: () => number;
  /** True once the run shall end: nobody waits any longer then, `wait` may return early. */
  readonly isStopped: () => boolean;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const LONGEST_PAUSE_MS = 300_000;
const HOPELESS_FAILURES = 30;

export function createBackoff({ clock, wait, random, isStopped }: BackoffParts): Backoff {
  let pausedUntilMs = 0;
  let failures = 0;
  const ready = async () => {
    // Another caller's failure may lengthen the pause meanwhile.
    for (let leftMs = 1; leftMs > 0 && !isStopped(); ) {
      leftMs = pausedUntilMs - clock.nowMs();
      if (leftMs > 0) await wait(leftMs);
    }
  };
  return {
    ready,
    failed: async (attempt, retryAfterMs) => {
      failures++;
      if (retryAfterMs !== undefined) {
        pausedUntilMs = Math.max(pausedUntilMs, clock.nowMs() + Math.min(retryAfterMs, LONGEST_PAUSE_MS));
        return ready();
      }
      const step = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
      await wait(step * (0.5 + random() / 2));
    },
    succeeded: () => {
      failures = 0;
    },
    isHopeless: () => failures >= HOPELESS_FAILURES,
  };
}
