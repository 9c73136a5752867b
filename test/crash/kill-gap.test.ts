import assert from "node:assert/strict";
import { ExportKills } from "./kill-export.ts";
import { ImportKills } from "./kill-import.ts";

/** A sample; `node test/crash/kill-gap.ts --kills 100` does as many as asked. */
const KILLS = 10;
const SEED = 20_261_123;

describe("the programs on both sides of the gap, killed at any moment", function () {
  this.timeout(400_000);

  it(`ISSUE-ONCE RECEIPT-BUNDLE airlock-import run, ${KILLS} times, against an API that fails, delays and loses answers`, async () => {
    const kills = await ImportKills.make(SEED);
    try {
      while (kills.tally.kills < KILLS) await kills.round();
      await kills.finish();
      assert.ok(kills.tally.devices > KILLS);
    } finally {
      await kills.remove();
    }
  });

  it(`BUNDLE-SUMS airlock-export export, ${KILLS} times: nothing half-written has a bundle's name`, async () => {
    const kills = await ExportKills.make(SEED);
    try {
      while (kills.tally.kills < KILLS) await kills.round();
      await kills.complete();
      assert.ok(kills.tally.bundles > 0);
    } finally {
      await kills.remove();
    }
  });
});
