import type { Clock } from "../clock.ts";
import type { LogSummary } from "../log/log.ts";
import { Refusal } from "../refusal.ts";

const DAY_MS = 86_400_000;

export interface ClockLimits {
  /** How far the clock may run ahead of the last record, in days. */
  readonly clockJumpDays: number;
  /** Validity of the issuing CA, milliseconds since 1970. */
  readonly caNotBeforeMs: number;
  readonly caNotAfterMs: number;
}

/**
 * CLOCK-SANE: what is wrong with the clock, as a sentence, or undefined. Compared with what the log knows: its newest
 * time, and the newest one that was checked when it was written, or confirmed by custodians since.
 */
export function clockProblem(nowMs: number, summary: LogSummary, limits: ClockLimits): string | undefined {
  if (nowMs < summary.clockFloorMs) return "The clock is behind the last record or receipt. A custodian must set it.";
  if (nowMs < limits.caNotBeforeMs) return "The clock is before the device CA's first day. A custodian must set it.";
  if (nowMs > limits.caNotAfterMs) return "The device CA has expired, or the clock is wrong. A custodian must act.";
  if (nowMs - summary.clockBaselineMs > limits.clockJumpDays * DAY_MS) {
    return "The clock has jumped far ahead of the last record. Custodians must confirm it: airlock-custody act propose confirm-clock";
  }
  return undefined;
}

/** @throws Refusal CLOCK-SANE `needs-person` */
export function checkClock(clock: Clock, summary: LogSummary, limits: ClockLimits): void {
  const problem = clockProblem(clock.nowMs(), summary, limits);
  if (problem !== undefined) throw new Refusal("CLOCK-SANE", "needs-person", `Nothing was signed. ${problem}`);
}
