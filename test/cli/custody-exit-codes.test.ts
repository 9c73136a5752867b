import assert from "node:assert/strict";
import { nextStep } from "../../src/cli/custody/next-step.ts";
import { exitCodeFor } from "../../src/cli/run-tool.ts";
import type { ControlId } from "../../src/controls.ts";
import { Refusal, type RefusalCode } from "../../src/refusal.ts";

/** What a custodian's tool ends with, and what it says to do. */
const CASES: readonly (readonly [ControlId, RefusalCode, number, RegExp])[] = [
  ["DUAL-CONTROL", "malformed", 2, /--help/],
  ["DUAL-CONTROL", "conflict", 3, /act list/],
  ["DUAL-CONTROL", "needs-person", 4, /act list/],
  ["DUAL-CONTROL", "forbidden", 4, /act list/],
  ["DUAL-CONTROL", "exhausted", 4, /act list/],
  ["DUAL-CONTROL", "inconsistent", 5, /act list/],
  ["ORDER-QUOTA", "malformed", 2, /order list/],
  ["ORDER-QUOTA", "conflict", 3, /order list/],
  ["ORDER-QUOTA", "needs-person", 4, /order list/],
  ["KEY-CAPTIVE", "needs-person", 12, /custody status/],
  ["ROLE-METHOD", "conflict", 1, /client list/],
];

describe("how airlock-custody ends", () => {
  for (const [control, code, exit, next] of CASES) {
    it(`${control} ${code}: exit code ${exit}, and what to do next`, () => {
      const refusal = new Refusal(control, code, "Refused.");
      assert.equal(exitCodeFor(refusal), exit);
      assert.match(nextStep(refusal) ?? "", next);
    });
  }

  it("DUAL-CONTROL says which act to propose in place of what one custodian may not do", () => {
    const refusal = new Refusal("DUAL-CONTROL", "needs-person", "Refused.", { field: "role" });
    assert.match(nextStep(refusal) ?? "", /act propose enroll-custodian/);
  });

  it("SERVICE-STATE adds nothing where the sentence says it all", () => {
    assert.equal(nextStep(new Refusal("SERVICE-STATE", "away", "Away.")), undefined);
    assert.equal(nextStep(new Error("other")), undefined);
  });
});
