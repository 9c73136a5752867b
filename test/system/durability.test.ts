import assert from "node:assert/strict";
import { join } from "node:path";
import type { Site } from "../../src/sandbox/site.ts";
import { sharedSite } from "../support/shared-site.ts";
import { makeRequest, openStation } from "../support/station.ts";
import { type SystemCall, traceProcesses } from "../support/trace.ts";

/** The reply carries three certificates and sota.toml; everything else on a connection is far smaller. */
const REPLY_BYTES = 2_000;

const isWrite = ({ name, result }: SystemCall) => /write|send/.test(name) && result > 0;
const isSync = ({ name, result }: SystemCall) => /sync/.test(name) && result === 0;

describe("what the kernel saw of one answered registration", function () {
  this.timeout(60_000);
  let calls: SystemCall[];
  let reply: number;

  before(async () => {
    const site: Site = await sharedSite();
    const station = await openStation(site);
    await station.register(makeRequest());
    const pids = [site.appliance.daemon.pid, site.appliance.signer.pid];
    const detach = await traceProcesses(pids, join(site.paths.logs, "registration.strace"));
    await station.register(makeRequest());
    calls = await detach();
    station.close();
    reply = calls.findIndex((call) => isWrite(call) && call.target.includes("TCP") && call.result > REPLY_BYTES);
  });

  it("ISSUE-DURABLE shows the reply in the trace at all", () => {
    assert.notEqual(reply, -1);
  });

  for (const [control, what, place] of [
    ["SIGN-LEDGER", "the signer's ledger", /\/signer\/ledger\/ledger\.ndjson/],
    ["ISSUE-DURABLE", "the journal", /\/store\/journal\/\d+\.ndjson/],
    ["ISSUE-DURABLE", "LevelDB's log", /\/store\/database\/.*\.log/],
  ] as const) {
    it(`${control} fsyncs ${what} after its last write and before the reply`, () => {
      const before = calls.slice(0, reply);
      const isThere = ({ target }: SystemCall) => place.test(target);
      const lastWrite = before.findLastIndex((call) => isWrite(call) && isThere(call));
      const sync = before.findIndex((call, i) => i > lastWrite && isSync(call) && isThere(call));
      assert.notEqual(lastWrite, -1, `no write to ${what} before the reply`);
      assert.notEqual(sync, -1, `no successful fsync of ${what} between its last write and the reply`);
    });
  }
});
