import assert from "node:assert/strict";
import type { ControlId } from "../../src/controls.ts";
import { Refusal } from "../../src/refusal.ts";

/** The refusal that `act` throws; fails when it throws anything else or nothing. */
export function refusalOf(act: () => unknown): Refusal {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof Refusal, `not a Refusal: ${String(error)}`);
    // Fixed sentences only: printable ASCII, so that nothing of the input can stand in them.
    assert.match(error.message, /^[A-Z][\x20-\x7e]+\.$/);
    return error;
  }
  assert.fail("nothing was refused");
}

export function assertRefused(act: () => unknown, control: ControlId, field?: string): Refusal {
  const refusal = refusalOf(act);
  assert.equal(refusal.control, control, refusal.message);
  assert.equal(refusal.code, "malformed");
  assert.equal(refusal.field, field ?? refusal.field);
  return refusal;
}
