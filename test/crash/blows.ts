import { setTimeout as delay } from "node:timers/promises";
import type { Scene, ServicePoint, ServiceSweep, Victim } from "./service-sweep.ts";
import type { Blow } from "./strace-sweep.ts";

/** One blow of a sweep. */
export interface Strike {
  readonly victim: Victim;
  readonly scene: Scene;
  readonly point: ServicePoint;
  readonly blow: Blow;
}

export interface SweepTally {
  /** Points at which a blow fell. */
  points: number;
  /** Answers that were given before their blow, each found again afterwards. */
  acknowledged: number;
  readonly failures: string[];
  /** Points that no run came by again: a note of the log's head, which goes by the clock. */
  readonly unreached: string[];
}

const LIMIT_MS = 180_000;
/** Times that a run is repeated that never came by its point: the note of the log's head goes by the clock. */
const TRIES = 3;
const SCENES: readonly (readonly [Victim, Scene])[] = [
  ["airlockd", "closed"],
  ["airlockd", "killed"],
  ["airlock-signer", "closed"],
  ["airlock-signer", "killed"],
];

/** Every blow at every point: death anywhere, a failing disk anywhere, a full one wherever something is written. */
export async function allStrikes(sweep: ServiceSweep): Promise<Strike[]> {
  const strikes: Strike[] = [];
  for (const [victim, scene] of SCENES) {
    for (const point of await sweep.points(victim, scene)) {
      const isWrite = /write|fdatasync|fsync/.test(point.name);
      for (const blow of ["signal=SIGKILL", "error=EIO", "error=ENOSPC"] as const) {
        if (blow !== "error=ENOSPC" || isWrite) strikes.push({ victim, scene, point, blow });
      }
    }
  }
  return strikes;
}

export function strikeName({ victim, scene, point: { name, n, file }, blow }: Strike): string {
  return `${blow} at ${name} ${n} (${file}) of ${victim}, from stores that were ${scene}`;
}

/** A run that hangs is a finding, and must not be the last. */
async function inTime<T>(strike: Promise<T>): Promise<T> {
  const late = new AbortController();
  const limit = delay(LIMIT_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error(`nothing has happened for ${LIMIT_MS / 1000} s`);
  });
  limit.catch(() => undefined);
  try {
    return await Promise.race([strike, limit]);
  } finally {
    late.abort();
  }
}

/** Lets one blow fall and enters what came of it. */
export async function strikeOnce(sweep: ServiceSweep, strike: Strike, tally: SweepTally): Promise<void> {
  const { victim, scene, point, blow } = strike;
  try {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const told = await inTime(sweep.strike(victim, scene, point, blow));
      if (told === undefined) continue;
      tally.points++;
      tally.acknowledged += Object.keys(told).length;
      return;
    }
    tally.unreached.push(strikeName(strike));
  } catch (error) {
    tally.failures.push(`after ${strikeName(strike)}: ${error instanceof Error ? error.stack : error}`);
    await sweep.reset();
  }
}
