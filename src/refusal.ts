import type { ControlId } from "./controls.ts";

/**
 * Why something was refused, as a closed set; rpc/status.ts maps each to one gRPC status and bridge/ to one
 * HTTP status.
 *
 * - `malformed`: the input itself is wrong; the same input never succeeds.
 * - `forbidden`: this caller may not.
 * - `conflict`: it contradicts a record.
 * - `needs-person`: sealed, clock, policy, quota: somebody must act first.
 * - `exhausted`: space, size or too many at once.
 * - `away`: the HSM is away, or the service starts or stops; wait and retry.
 * - `inconsistent`: the stores contradict each other; the service stops.
 */
export const REFUSAL_CODES = [
  "malformed",
  "forbidden",
  "conflict",
  "needs-person",
  "exhausted",
  "away",
  "inconsistent",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

export interface RefusalDetails {
  /** The request's field at fault, as named in the proto file. */
  readonly field?: string;
  /** For the log only; never shown to a client. */
  readonly cause?: unknown;
}

/**
 * A named refusal. `message` is a fixed ASCII sentence that says what happened and what to do; it never echoes raw
 * input (checked values such as a canonical uuid may stand in it), so it is safe for any client by construction.
 */
export class Refusal extends Error {
  readonly control: ControlId;
  readonly code: RefusalCode;
  readonly field: string;

  constructor(control: ControlId, code: RefusalCode, sentence: string, details: RefusalDetails = {}) {
    super(sentence, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "Refusal";
    this.control = control;
    this.code = code;
    this.field = details.field ?? "";
  }
}
