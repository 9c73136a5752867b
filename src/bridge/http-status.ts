import type { ControlId } from "../controls.ts";
import type { Refusal } from "../refusal.ts";

/** How a refusal looks to a board. */
export interface HttpRefusal {
  readonly status: number;
  /** Present with 503 alone. */
  readonly retryAfterSeconds?: number;
}

/**
 * `needs-person` refusals that pass for every board once the person has acted, so that a board may simply wait: a
 * sealed or doubtful HSM, the clock, the stores. All others are about this board or its order: waiting does not help.
 */
const WAITS_FOR_PERSON: ReadonlySet<ControlId> = new Set<ControlId>([
  "SERVICE-STATE",
  "CLOCK-SANE",
  "CERT-PROFILE",
  "KEY-CAPTIVE",
  "SIGNER-GATE",
  "SIGN-LEDGER",
  "STORE-CHAIN",
  "STORE-HEAD",
  "STORE-SPACE",
]);

/**
 * The single mapping from refusals to HTTP.
 *
 * | code | control | status | Retry-After |
 * |---|---|---|---|
 * | malformed | any | 400 | |
 * | forbidden | any | 403 | |
 * | conflict | any | 409 | |
 * | needs-person | one of WAITS_FOR_PERSON | 503 | 60 s |
 * | needs-person | any other: policy, order, quota, voided | 422 | |
 * | exhausted | REQUEST-FIELD: too large | 400 | |
 * | exhausted | ORDER-QUOTA | 422 | |
 * | exhausted | SERVICE-STATE: too many at once | 503 | 2 s |
 * | exhausted | any other: space | 503 | 60 s |
 * | away | any | 503 | 5 s |
 * | inconsistent | any | 503 | 60 s |
 */
export function httpRefusal({ code, control }: Refusal): HttpRefusal {
  switch (code) {
    case "malformed":
      return { status: 400 };
    case "forbidden":
      return { status: 403 };
    case "conflict":
      return { status: 409 };
    case "needs-person":
      return WAITS_FOR_PERSON.has(control) ? wait(60) : { status: 422 };
    case "exhausted":
      if (control === "REQUEST-FIELD") return { status: 400 };
      if (control === "ORDER-QUOTA") return { status: 422 };
      return wait(control === "SERVICE-STATE" ? 2 : 60);
    case "away":
      return wait(5);
    case "inconsistent":
      return wait(60);
  }
}

function wait(retryAfterSeconds: number): HttpRefusal {
  return { status: 503, retryAfterSeconds };
}
