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
 * CLOCK-SANE: what is wrong with the clock, as a sentence, or undefined. The high-water mark is the newest time that
 * the log knows: its last record's, or the last receipt's.
 */
export function clockProblem(nowMs: number, summary: LogSummary, limits: ClockLimits): string | undefined {
  const receiptMs = summary.lastReceipt === undefined ? 0 : Date.parse(summary.lastReceipt.issuedAt);
  const highWaterMs = Math.max(Date.parse(summary.headAt), receiptMs);
  if (nowMs < highWaterMs) return "The clock is behind the last record or receipt. A custodian must set it.";
  if (nowMs < limits.caNotBeforeMs) return "The clock is before the device CA's first day. A custodian must set it.";
  if (nowMs > limits.caNotAfterMs) return "The device CA has expired, or the clock is wrong. A custodian must act.";
  if (nowMs - highWaterMs > limits.clockJumpDays * DAY_MS) {
    return "The clock has jumped far ahead of the last record. A custodian must confirm it.";
  }
  return undefined;
}

/** @throws Refusal CLOCK-SANE `needs-person` */
export function checkClock(clock: Clock, summary: LogSummary, limits: ClockLimits): void {
  const problem = clockProblem(clock.nowMs(), summary, limits);
  if (problem !== undefined) throw new Refusal("CLOCK-SANE", "needs-person", `Nothing was signed. ${problem}`);
}
