/** What every tool's exit status means. Of several problems, the first of 7, 5, 4, 8, 6 is reported. */
export const EXIT = {
  done: 0,
  unexpected: 1,
  /** Usage or configuration. */
  usage: 2,
  nothingToDo: 3,
  /** Signature or trust. */
  trust: 4,
  integrity: 5,
  /** A gap, accepted. */
  gap: 6,
  /** Fork or rollback alarm. */
  alarm: 7,
  partial: 8,
  medium: 9,
  overdue: 10,
  cancelled: 11,
  /** HSM unavailable or sealed. */
  hsm: 12,
  /** Service unreachable. */
  unreachable: 13,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const WORST_FIRST: readonly ExitCode[] = [EXIT.alarm, EXIT.integrity, EXIT.trust, EXIT.partial, EXIT.gap];

/** The one status to end with when several things went wrong. */
export function worstOf(codes: readonly ExitCode[]): ExitCode {
  return WORST_FIRST.find((code) => codes.includes(code)) ?? codes.find((code) => code !== EXIT.done) ?? EXIT.done;
}
