import assert from "node:assert/strict";
import { DEFAULT_PATIENCE, registerPatiently } from "../../src/bridge/register-patiently.ts";
import type { RegistrationRequest } from "../../src/bridge/registrar.ts";
import { Refusal } from "../../src/refusal.ts";
import { ANSWER, RegistrarDouble } from "./registrar-double.ts";

const request: RegistrationRequest = {
  uuid: "5b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10",
  name: "",
  hardwareId: "intel-corei7-64",
  csrDer: Buffer.of(0x30, 0),
  sotaConfigDir: "",
  overrides: [],
};
const away = () => new Refusal("SERVICE-STATE", "away", "The HSM is away.");

describe("patience with an absent appliance", () => {
  it("takes the first answer and asks no further", async () => {
    const registrar = new RegistrarDouble();
    registrar.next(away());
    assert.equal(await registerPatiently(registrar, request, { pausesMs: [1, 1], withinMs: 1_000 }), ANSWER);
    assert.equal(registrar.requests.length, 2);
  });

  it("begins no try that would be later than its time", async () => {
    const registrar = new RegistrarDouble();
    registrar.next(away());
    await assert.rejects(registerPatiently(registrar, request, { pausesMs: [50, 50], withinMs: 10 }), { code: "away" });
    assert.equal(registrar.requests.length, 1);
  });

  it("tries for longer by default than gRPC may pause before it connects again, and no longer than three seconds", () => {
    const pausesMs = DEFAULT_PATIENCE.pausesMs.reduce((sum, pauseMs) => sum + pauseMs, 0);
    // Two seconds and the fifth that gRPC may add by chance.
    assert.ok(pausesMs > 2_400, String(pausesMs));
    assert.ok(pausesMs < DEFAULT_PATIENCE.withinMs && DEFAULT_PATIENCE.withinMs <= 3_000);
  });
});
