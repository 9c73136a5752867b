import { setTimeout as sleep } from "node:timers/promises";
import { Refusal } from "../refusal.ts";
import type { Registrar, RegistrationAnswer, RegistrationRequest } from "./registrar.ts";

export interface Patience {
  /** Pauses before the second try, the third and so on, in milliseconds. */
  readonly pausesMs: readonly number[];
  /** No try begins later than this after the first, in milliseconds. */
  readonly withinMs: number;
}

/**
 * Four tries within three seconds: a restart of the signer, not a person's work, is waited for. Together they outlast
 * the longest pause between two connection attempts, so that an appliance which is back is found by the first board.
 */
export const DEFAULT_PATIENCE: Patience = { pausesMs: [300, 900, 1_500], withinMs: 3_000 };

/**
 * Registers, and tries again while the appliance is away: the same request, so that a try whose answer was lost costs
 * no second certificate (ISSUE-ONCE). Any other refusal is final at once.
 */
export async function registerPatiently(
  registrar: Registrar,
  request: RegistrationRequest,
  patience: Patience,
): Promise<RegistrationAnswer> {
  const startedMs = performance.now();
  for (const pauseMs of patience.pausesMs) {
    try {
      return await registrar.register(request);
    } catch (error) {
      const isLate = performance.now() - startedMs + pauseMs > patience.withinMs;
      if (!(error instanceof Refusal) || error.code !== "away" || isLate) throw error;
    }
    await sleep(pauseMs);
  }
  return await registrar.register(request);
}
