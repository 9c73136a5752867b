import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { ruleFor } from "../../src/signer/ckr.ts";

/** The addon's own list of return values; an independent copy of the standard's. */
const CONSTANTS: Record<string, number> = createRequire(import.meta.url)("pkcs11js");
const NAMES = Object.keys(CONSTANTS).filter((name) => name.startsWith("CKR_") && !/_OK$|VENDOR_DEFINED/.test(name));

describe("PKCS#11 return values", () => {
  it("KEY-CAPTIVE knows every one that the addon knows, by its name", () => {
    assert.ok(NAMES.length > 80);
    const unknown = NAMES.filter((name) => ruleFor(CONSTANTS[name] ?? 0).name !== name);
    assert.deepEqual(unknown, []);
  });

  for (const name of ["CKR_PIN_INCORRECT", "CKR_PIN_LOCKED", "CKR_PIN_EXPIRED", "CKR_PIN_INVALID"]) {
    it(`KEY-CAPTIVE seals after ${name}`, () => {
      assert.deepEqual(ruleFor(CONSTANTS[name] ?? 0), { name, action: "seal", code: "needs-person" });
    });
  }

  for (const ckr of [0, 0x80000000, 0x80000123, 0xfffffff0, 0x2ff]) {
    it(`KEY-CAPTIVE trusts a child no longer after 0x${ckr.toString(16)}, whatever that means`, () => {
      assert.deepEqual([ruleFor(ckr).action, ruleFor(ckr).code], ["restart", "away"]);
    });
  }

  it("SIGN-LEDGER tells callers to wait only where another try may help", () => {
    const waiting = NAMES.filter((name) => ruleFor(CONSTANTS[name] ?? 0).code === "away");
    const actions = new Set(waiting.map((name) => ruleFor(CONSTANTS[name] ?? 0).action));
    assert.deepEqual(actions, new Set(["session", "restart", "login"]));
  });
});
