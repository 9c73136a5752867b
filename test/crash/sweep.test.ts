import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Strike, type SweepTally, strikeOnce } from "./blows.ts";
import { type Scene, type ServicePoint, ServiceSweep, type Victim } from "./service-sweep.ts";
import type { Blow } from "./strace-sweep.ts";

/** The whole sweep is `node test/crash/sweep.ts`; these are the points between which an answer is given or not. */
describe("a blow at a system call of the real airlockd and airlock-signer", function () {
  this.timeout(300_000);
  let root: string;
  let sweep: ServiceSweep;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "airlock-sweep-"));
    sweep = await ServiceSweep.make(join(root, "lane"), join(root, "compiled"));
  });
  after(async () => {
    await sweep.remove();
    await rm(root, { recursive: true, force: true });
  });

  async function strikeAll(
    victim: Victim,
    scene: Scene,
    wanted: (all: ServicePoint[]) => (ServicePoint | undefined)[],
    blow: Blow,
  ) {
    const tally: SweepTally = { points: 0, acknowledged: 0, failures: [], unreached: [] };
    const points = wanted(await sweep.points(victim, scene));
    for (const point of points) {
      assert.ok(point !== undefined);
      await strikeOnce(sweep, { victim, scene, point, blow } satisfies Strike, tally);
    }
    assert.deepEqual(tally.failures, []);
    assert.equal(tally.points, points.length);
    console.log(`      ${tally.points} points, ${tally.acknowledged} answers before a blow, none lost`);
    return tally;
  }

  const on = (file: RegExp, name: string) => (all: readonly ServicePoint[]) =>
    all.filter((point) => point.name === name && file.test(point.file));
  const commits = on(/\.ndjson$/, "fdatasync");
  const batches = on(/index\/\d+\.log$/, "fdatasync");

  it("ISSUE-DURABLE loses nothing answered when airlockd is killed at a commit or just behind it", async () => {
    const { acknowledged } = await strikeAll(
      "airlockd",
      "closed",
      (all) => [commits(all)[0], batches(all)[1], commits(all)[2], batches(all)[2]],
      "signal=SIGKILL",
    );
    assert.ok(acknowledged >= 4);
  });

  it("ISSUE-DURABLE answers nothing that airlockd's disk did not take, and ends", async () => {
    await strikeAll("airlockd", "closed", (all) => [commits(all)[0], commits(all)[1]], "error=EIO");
  });

  it("SIGN-LEDGER gives out no signature whose line the ledger's disk did not take, and ends", async () => {
    const { acknowledged } = await strikeAll(
      "airlock-signer",
      "killed",
      (all) => commits(all).slice(0, 1),
      "error=EIO",
    );
    assert.equal(acknowledged, 1, "the receipt needs no signature");
  });

  it("STORE-CHAIN starts again, killed in the middle of a recovery", async () => {
    await strikeAll("airlockd", "killed", (all) => on(/\.ndjson\.copy$/, "rename")(all), "signal=SIGKILL");
    await strikeAll("airlock-signer", "killed", (all) => on(/./, "pwrite64")(all), "signal=SIGKILL");
  });
});
