import assert from "node:assert/strict";
import { pauseLevelWithLedger } from "../../src/issuance/account-for-ledger.ts";
import { IssuingGate } from "../../src/issuance/gate.ts";
import { type IssuingSite, makeIssuingSite } from "../support/issuing-site.ts";

describe("the issuing gate", () => {
  it("SIGN-LEDGER pauses one at a time, each with nobody inside", async () => {
    const gate = new IssuingGate(8);
    gate.open();
    await gate.enter();
    const order: string[] = [];
    const pauses = ["first", "second"].map(async (name) => {
      const resume = await gate.pause();
      order.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${name} ends`);
      resume();
    });
    assert.deepEqual(order, []);
    gate.leave();
    await Promise.all(pauses);
    assert.deepEqual(order, ["first begins", "first ends", "second begins", "second ends"]);
    await gate.enter();
  });

  it("SIGN-LEDGER a registration that comes during one pause after another passes in the end", async () => {
    const gate = new IssuingGate(8);
    gate.open();
    const pauses = Array.from({ length: 3 }, async () => (await gate.pause())());
    const entering = gate.enter().then(() => gate.leave());
    await Promise.all([...pauses, entering]);
    await gate.enter();
  });
});

describe("accounting for the signer's ledger", () => {
  let site: IssuingSite;

  before(async () => {
    site = await makeIssuingSite();
  });
  after(() => site.close());

  it("SIGN-LEDGER a seal and a signer's return at one moment record each unused signature once", async () => {
    const { log, signer } = site;
    const { gate } = site.issuer();
    const accounting = { gate, log, signer, maxInFlight: 8, installed: site.pki };
    for (let n = 0; n < 3; n++) await signer.sign("device-ca", Buffer.from(`lost ${n}`), log.summary().head);
    const levels = await Promise.all(
      [1, 2, 3].map(async () => {
        const { unissued, resume } = await pauseLevelWithLedger(accounting);
        resume();
        return unissued;
      }),
    );
    assert.deepEqual(levels, [3, 0, 0]);
    assert.equal(log.summary().certificates, (await signer.status()).ledger.certificates);
  });

  it("STORE-HEAD a difference that no crash leaves is refused, and the line is not held up", async () => {
    const { log, signer } = site;
    const { gate } = site.issuer();
    for (let n = 0; n < 3; n++) await signer.sign("device-ca", Buffer.from(`foreign ${n}`), log.summary().head);
    const accounting = { gate, log, signer, maxInFlight: 2, installed: site.pki };
    await assert.rejects(pauseLevelWithLedger(accounting), { control: "STORE-HEAD", code: "inconsistent" });
    await gate.enter();
  });
});
