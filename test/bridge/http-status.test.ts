import assert from "node:assert/strict";
import { httpRefusal } from "../../src/bridge/http-status.ts";
import { CONTROLS, type ControlId } from "../../src/controls.ts";
import { Refusal, type RefusalCode } from "../../src/refusal.ts";

const CODES: readonly RefusalCode[] = [
  "malformed",
  "forbidden",
  "conflict",
  "needs-person",
  "exhausted",
  "away",
  "inconsistent",
];

describe("HTTP status of a refusal", () => {
  const cases: [code: RefusalCode, control: ControlId, status: number, retryAfterSeconds?: number][] = [
    ["malformed", "CSR-PROOF", 400],
    ["malformed", "REQUEST-FIELD", 400],
    ["forbidden", "ROLE-METHOD", 403],
    ["conflict", "ISSUE-ONCE", 409],
    ["conflict", "KEY-UNIQUE", 409],
    ["needs-person", "PRODUCTION-POLICY", 422],
    ["needs-person", "ORDER-QUOTA", 422],
    ["needs-person", "ISSUE-ONCE", 422],
    ["needs-person", "CERT-PROFILE", 503, 60],
    ["needs-person", "CLOCK-SANE", 503, 60],
    ["needs-person", "KEY-CAPTIVE", 503, 60],
    ["needs-person", "SERVICE-STATE", 503, 60],
    ["needs-person", "STORE-HEAD", 503, 60],
    ["exhausted", "STORE-SPACE", 503, 60],
    ["exhausted", "SERVICE-STATE", 503, 2],
    ["exhausted", "ORDER-QUOTA", 422],
    ["exhausted", "REQUEST-FIELD", 400],
    ["away", "SERVICE-STATE", 503, 5],
    ["inconsistent", "STORE-CHAIN", 503, 60],
  ];
  for (const [code, control, status, retryAfterSeconds] of cases) {
    it(`${control} ${code} is ${status}${retryAfterSeconds === undefined ? "" : `, come again in ${retryAfterSeconds} s`}`, () => {
      const expected = retryAfterSeconds === undefined ? { status } : { status, retryAfterSeconds };
      assert.deepEqual(httpRefusal(new Refusal(control, code, "x")), expected);
    });
  }

  it("is never 2xx, and says when to come again exactly where waiting helps", () => {
    for (const control of CONTROLS) {
      for (const code of CODES) {
        const { status, retryAfterSeconds } = httpRefusal(new Refusal(control, code, "x"));
        assert.ok([400, 403, 409, 422, 503].includes(status), `${control} ${code}: ${status}`);
        assert.equal(retryAfterSeconds !== undefined, status === 503, `${control} ${code}`);
      }
    }
  });
});
