import assert from "node:assert/strict";
import { Torture } from "./torture-run.ts";
import { TortureSite } from "./torture-site.ts";

const ROUNDS = 20;
const SEED = 20_261_123;

describe("the real programs killed under load", function () {
  this.timeout(300_000);
  let site: TortureSite;
  let torture: Torture;

  before(async () => {
    site = await TortureSite.make();
    torture = await Torture.start(site, SEED);
  });
  after(() => site.remove());

  it(`ISSUE-DURABLE loses and alters no certificate that a client holds, over ${ROUNDS} rounds of kill -9`, async () => {
    while (torture.tally.rounds < ROUNDS) await torture.round();
    assert.ok(torture.tally.received > ROUNDS);
    console.log(`      seed ${SEED}, ${JSON.stringify(torture.tally)}`);
  });

  it("STORE-CHAIN leaves both stores provably whole after it", async () => {
    await torture.finish();
    const { records, received, unissued } = torture.tally;
    assert.ok(records >= received + unissued);
  });
});
