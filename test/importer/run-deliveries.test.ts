import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleDirectory } from "../../src/transfer/bundle-files.ts";
import { type AirgapSite, LOG_ID, makeSite, OPERATOR, type RegisteredDevice } from "../support/airgap-site.ts";
import { type ImporterBench, makeBench } from "../support/importer-bench.ts";
import { type CallFault, type MemoryFactory, makeFactory } from "../support/memory-factory.ts";
import { makeKey } from "../support/software-pki.ts";

describe("importer/run-deliveries", function () {
  this.timeout(60_000);
  let site: AirgapSite;
  let bench: ImporterBench;
  let factory: MemoryFactory;

  beforeEach(async () => {
    site = await makeSite();
    bench = await makeBench();
    factory = makeFactory();
  });

  afterEach(() => bench.remove());

  async function registerAndImport(count: number): Promise<RegisteredDevice[]> {
    const devices: RegisteredDevice[] = [];
    for (let i = 0; i < count; i++) devices.push(await site.register());
    await bench.accept(site, await site.seal());
    return devices;
  }

  function outcomeOf(device: RegisteredDevice): string {
    const known = bench.journal.state.outcomes.get(device.seq);
    return [known?.outcome, known?.code].filter((word) => word !== undefined).join(" ");
  }

  function assertOnce(): void {
    assert.deepEqual(
      [...factory.creations.values()].filter((count) => count !== 1),
      [],
    );
  }

  it("ISSUE-ONCE creates every device once, with its name and group, and a second run has nothing to do", async () => {
    factory.groups.add("pilot");
    const grouped = await site.register({ group: "pilot" });
    const devices = [grouped, ...(await registerAndImport(20))];
    const first = await bench.run(factory);
    assert.deepEqual([first.delivered, first.rejected.length, first.pending.length, first.end], [21, 0, 0, "done"]);
    for (const { uuid, name } of devices) assert.equal(factory.devices.get(uuid)?.name, name);
    assert.equal(factory.devices.get(grouped.uuid)?.group, "pilot");
    const again = await bench.run(factory);
    assert.equal(again.delivered, 0);
    assertOnce();
  });

  it("CERT-PROFILE sends the certificates of several kept bundles, and nothing of a kept copy that was changed", async () => {
    const bundles: RegisteredDevice[][] = [];
    for (let i = 0; i < 5; i++) bundles.push(await registerAndImport(3));
    const kept = join(bench.directory, "bundles", bundleDirectory(LOG_ID, 5), "RECORDS.NDJSON");
    const good = await readFile(kept);
    const { deliveries } = await bench.plan();
    await writeFile(
      kept,
      good.toString().replace(/"pem":"[^"]{80}/, (text) => text.replace(/.$/, "A")),
    );
    await assert.rejects(bench.deliver(factory, { deliveries, settlements: [] }), /kept copy of bundle 5 was changed/);
    assert.deepEqual(
      [...factory.devices.keys()].sort(),
      bundles
        .slice(0, 4)
        .flat()
        .map(({ uuid }) => uuid)
        .sort(),
    );
    for (const { uuid, key } of bundles.slice(0, 4).flat()) {
      assert.ok(factory.devices.get(uuid)?.spkiDer?.equals(key.spkiDer));
    }
    await writeFile(kept, good);
    assert.equal((await bench.run(factory)).delivered, 3);
    assertOnce();
  });

  it("ISSUE-ONCE lost answers, busy servers and broken connections: every device is created once", async () => {
    await registerAndImport(40);
    const faults: CallFault[] = ["lost-after", "busy", "lost-before", undefined, undefined];
    let turn = 0;
    factory.fault = (call) => (call.startsWith("create") ? faults[turn++ % faults.length] : undefined);
    const first = await bench.run(factory);
    // Whoever met a fault at every one of its tries stays open.
    factory.fault = () => undefined;
    const rest = await bench.run(factory);
    assert.equal(first.delivered + rest.delivered, 40);
    assert.deepEqual([first.duplicates, rest.duplicates, rest.pending.length], [0, 0, 0]);
    assertOnce();
  });

  it("ISSUE-ONCE announces devices no further ahead than calls go at once, and calls none that is not announced", async () => {
    await registerAndImport(20);
    const { called } = bench.journal.state;
    let begun = 0;
    factory.fault = (call) => {
      if (call.startsWith("create")) assert.ok(called.size >= ++begun && called.size <= begun + 6, `${called.size}`);
      return undefined;
    };
    const { delivered } = await bench.run(factory, { concurrency: 3 });
    assert.deepEqual([delivered, called.size], [20, 20]);
  });

  it("ISSUE-ONCE waits as long as the server asks, and longer each time otherwise", async () => {
    await registerAndImport(1);
    const faults: CallFault[] = ["busy", "lost-before", "lost-before"];
    factory.fault = (call) => (call.startsWith("create") ? faults.shift() : undefined);
    await bench.run(factory);
    assert.deepEqual(bench.waits, [2_000, 750, 1_500]);
  });

  it("BUNDLE-OVERLAP calls a device that created itself a duplicate, and gives it its name", async () => {
    const [device] = await registerAndImport(1);
    assert.ok(device);
    const spkiDer = device.key.spkiDer;
    factory.devices.set(device.uuid, { uuid: device.uuid, name: device.uuid, spkiDer });
    const summary = await bench.run(factory);
    assert.deepEqual([summary.duplicates, outcomeOf(device)], [1, "duplicate"]);
    assert.equal(factory.devices.get(device.uuid)?.name, device.name);
  });

  const conflicts: [string, string, (device: RegisteredDevice) => void][] = [
    [
      "the name is another device's",
      "rejected E_NAME_TAKEN",
      ({ name }) => factory.devices.set("other", { uuid: "other", name, spkiDer: makeKey().spkiDer }),
    ],
    [
      "the uuid has another key",
      "rejected E_UUID_OTHER_KEY",
      ({ uuid }) => factory.devices.set(uuid, { uuid, name: "old", spkiDer: makeKey().spkiDer }),
    ],
    ["the uuid is denied", "rejected E_DENIED", ({ uuid }) => factory.denied.add(uuid)],
    ["the Factory does not tell its key", "", ({ uuid, name }) => factory.devices.set(uuid, { uuid, name })],
  ];
  for (const [what, outcome, prepare] of conflicts) {
    it(`ISSUE-ONCE finds out by reading back that ${what}: ${outcome === "" ? "still open" : outcome}`, async () => {
      const [device] = await registerAndImport(1);
      assert.ok(device);
      prepare(device);
      const before = [...factory.devices];
      await bench.run(factory);
      assert.equal(outcomeOf(device), outcome);
      assert.deepEqual([...factory.devices], before);
    });
  }

  it("ISSUE-ONCE leaves a name conflict open when the token cannot tell a taken name from a denied uuid", async () => {
    const [device] = await registerAndImport(1);
    assert.ok(device);
    factory.devices.set("other", { uuid: "other", name: device.name, spkiDer: makeKey().spkiDer });
    factory.fault = (call) => (call === "list-denied" ? "unauthorised" : undefined);
    const summary = await bench.run(factory);
    assert.deepEqual([summary.pending.length, outcomeOf(device)], [1, ""]);
  });

  it("ISSUE-ONCE rejects an unknown group without a call, and a certificate that the Factory refuses with its words", async () => {
    const grouped = await site.register({ group: "nowhere" });
    const [refused] = await registerAndImport(1);
    assert.ok(refused);
    factory.fault = (call) => (call === `create ${refused.uuid}` ? "invalid" : undefined);
    await bench.run(factory);
    assert.equal(outcomeOf(grouped), "rejected E_GROUP_UNKNOWN");
    assert.equal(factory.calls.includes(`create ${grouped.uuid}`), false);
    assert.equal(outcomeOf(refused), "rejected E_INVALID");
    assert.equal(bench.journal.state.outcomes.get(refused.seq)?.note, "HTTP 400: certificate? is no good");
  });

  it("ROLE-METHOD a refused token stops the run, marks nothing failed, and a good one continues", async () => {
    await registerAndImport(20);
    let allowed = 5;
    factory.fault = (call) => (call.startsWith("create") && allowed-- <= 0 ? "unauthorised" : undefined);
    const stopped = await bench.run(factory);
    assert.deepEqual(
      [stopped.end, stopped.delivered, stopped.rejected.length, stopped.pending.length],
      ["unauthorised", 5, 0, 15],
    );
    assert.ok(factory.calls.filter((call) => call.startsWith("create")).length <= 5 + 4);
    factory.fault = () => undefined;
    assert.equal((await bench.run(factory)).delivered, 15);
    assertOnce();
  });

  it("ISSUE-ONCE a server that only fails ends the run early, and nothing is lost", async () => {
    await registerAndImport(60);
    factory.fault = (call) => (call.startsWith("create") ? "lost-after" : undefined);
    const down = await bench.run(factory);
    assert.equal(down.end, "server-down");
    assert.ok(factory.calls.filter((call) => call.startsWith("create")).length < 60);
    factory.fault = () => undefined;
    const up = await bench.run(factory);
    assert.deepEqual([up.delivered, up.duplicates, up.end], [60, 0, "done"]);
    assertOnce();
  });

  it("ISSUE-ONCE a stop finishes and notes the calls under way, begins none, and the next run continues", async () => {
    await registerAndImport(12);
    const controller = new AbortController();
    factory.fault = (call) => {
      if (factory.calls.filter((one) => one.startsWith("create")).length === 6 && call.startsWith("create"))
        controller.abort();
      return undefined;
    };
    const stopped = await bench.run(factory, { signal: controller.signal, concurrency: 2 });
    assert.equal(stopped.end, "stopped");
    assert.equal(stopped.delivered, factory.devices.size);
    assert.ok(stopped.pending.length > 0);
    await bench.reopen();
    const rest = await bench.run(factory);
    assert.equal(rest.delivered, 12 - stopped.delivered);
    assertOnce();
  });

  it("ISSUE-ONCE a stop during a pause that the server asked for ends at once", async () => {
    await registerAndImport(3);
    const controller = new AbortController();
    factory.fault = (call) => {
      if (call.startsWith("create")) controller.abort();
      return call.startsWith("create") ? "busy" : undefined;
    };
    const stopped = await bench.run(factory, { signal: controller.signal });
    assert.deepEqual([stopped.end, stopped.pending.length], ["stopped", 3]);
    assert.ok(bench.waits.length <= 3);
  });

  it("ISSUE-ONCE killed before or after any journal write, a new run ends with every device created once", async () => {
    // Six devices are twelve writes: a call and an outcome each.
    for (let death = 1; death <= 12; death++) {
      for (const isLanded of [false, true]) {
        await bench.remove();
        [bench, factory, site] = [await makeBench(), makeFactory(), await makeSite()];
        const devices = await registerAndImport(6);
        dieAt(bench, death, isLanded);
        await assert.rejects(bench.run(factory, { concurrency: 2 }), /killed/);
        await bench.reopen();
        await bench.run(factory);
        assertDone(devices);
      }
    }
  });

  function assertDone(devices: readonly RegisteredDevice[]): void {
    assert.deepEqual(
      devices.map((device) => factory.creations.get(device.uuid)),
      devices.map(() => 1),
    );
    assert.deepEqual(
      devices.map(outcomeOf),
      devices.map(() => "delivered"),
    );
  }

  it("ISSUE-ONCE delivers only the newest registration of a device: superseded, and voided ones never", async () => {
    const uuid = randomUUID();
    const old = await site.register({ uuid, name: "one" });
    const scrapped = await site.register();
    await site.log.append({ kind: "void", body: { registration: scrapped.seq, reason: "cracked", by: OPERATOR } });
    const renewed = await site.register({ uuid, name: "two", replaces: old.seq });
    await bench.accept(site, await site.seal());
    const summary = await bench.run(factory);
    assert.deepEqual([summary.delivered, summary.superseded, summary.voided], [1, 1, 1]);
    assert.deepEqual([outcomeOf(old), outcomeOf(renewed), outcomeOf(scrapped)], ["superseded", "delivered", "voided"]);
    assert.deepEqual([...factory.devices.keys()], [uuid]);
  });

  it("ISSUE-ONCE a new key for a device that was delivered before needs a person, and nothing is deleted", async () => {
    const uuid = randomUUID();
    const old = await site.register({ uuid });
    await bench.accept(site, await site.seal());
    await bench.run(factory);
    const renewed = await site.register({ uuid, replaces: old.seq });
    await bench.accept(site, await site.seal());
    await bench.run(factory);
    assert.deepEqual([outcomeOf(old), outcomeOf(renewed)], ["delivered", "rejected E_UUID_OTHER_KEY"]);
    assert.ok(factory.devices.get(uuid)?.spkiDer?.equals(old.key.spkiDer));
  });

  it("ISSUE-ONCE a rejected registration is tried again once it was renamed inside, not before", async () => {
    const [device] = await registerAndImport(1);
    assert.ok(device);
    factory.devices.set("other", { uuid: "other", name: device.name, spkiDer: makeKey().spkiDer });
    await bench.run(factory);
    const calls = factory.calls.length;
    await bench.run(factory);
    assert.equal(
      factory.calls.slice(calls).some((call) => call.startsWith("create")),
      false,
    );
    await site.log.append({ kind: "resubmit", body: { registration: device.seq, name: "gw-new", by: OPERATOR } });
    await bench.accept(site, await site.seal());
    await bench.run(factory);
    assert.deepEqual([outcomeOf(device), factory.devices.get(device.uuid)?.name], ["delivered", "gw-new"]);
  });

  it("ISSUE-ONCE tries rejected ones again on request, when a person has repaired the Factory", async () => {
    const [device] = await registerAndImport(1);
    assert.ok(device);
    factory.denied.add(device.uuid);
    await bench.run(factory);
    assert.equal(outcomeOf(device), "rejected E_DENIED");
    factory.denied.clear();
    await bench.run(factory, { isRetryingRejected: true });
    assert.equal(outcomeOf(device), "delivered");
  });
});

/** Lets the n-th append of the run die, before or after its line is on disk; every later one dies too. */
function dieAt(bench: ImporterBench, death: number, isLanded: boolean): void {
  const { journal } = bench;
  const append = journal.append.bind(journal);
  let count = 0;
  journal.append = async (entry) => {
    count++;
    if (count < death || (count === death && isLanded)) await append(entry);
    if (count >= death) throw new Error("killed");
  };
}
