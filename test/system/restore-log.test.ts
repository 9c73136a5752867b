import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRegistrationClient, type StationAnswer, type StationRequest } from "../../src/rpc/registration-client.ts";
import { openTransferClient } from "../../src/rpc/transfer-client.ts";
import { createSite, OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { freePort } from "../../src/sandbox/programs.ts";
import { type RunningAppliance, startAppliance } from "../../src/sandbox/run-site.ts";
import { DEMO_FACTORY, type SitePaths, type SitePorts, sitePaths } from "../../src/sandbox/site-files.ts";
import { type Ended, runReal } from "../support/real-programs.ts";
import { makeRequest } from "../support/station.ts";

/** An appliance's disks die; what the importer has kept becomes its journal again. */
describe("restoring a dead appliance's log from the importer's bundles", function () {
  this.timeout(240_000);
  let dir: string;
  let paths: SitePaths;
  let ports: SitePorts;
  let foundries: FoundriesApiSandbox;
  let log: string;
  const boards: { request: StationRequest; answer: StationAnswer }[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-restore-"));
    paths = sitePaths(join(dir, "site"));
    ports = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
    await createSite(paths, ports, () => undefined);
    await writeFile(join(dir, "token"), SANDBOX_TOKEN, { mode: 0o600 });
    foundries = await startFoundriesApi({
      factory: DEMO_FACTORY,
      deviceCasPem: await readFile(join(paths.ceremony, "device-ca.pem"), "utf8"),
      port: ports.foundries,
      stateFile: join(dir, "foundries.json"),
    });
    const appliance = await start();
    for (let n = 0; n < 3; n++) await register();
    await exportTo("stick-1");
    await register();
    await sealAndDie(appliance);
    assertEnded(await outside("run", join(dir, "stick-1"), join(dir, "stick-2"), ...api()), 0, /delivered 4/);
    [log = ""] = await readdir(join(paths.importer, "logs"));
    await rename(join(paths.root, "store"), join(dir, "dead"));
  });

  after(async () => {
    await foundries?.close();
    await rm(dir, { recursive: true, force: true });
  });

  const inDir = (...parts: string[]) => join(dir, ...parts);
  const kept = () => join(paths.importer, "logs", log, "bundles");
  const outside = (...args: string[]) => runReal("airlock-import", [...args, "--state", paths.importer]);
  const api = () => ["--api", foundries.url, "--token-file", join(dir, "token"), "--yes"];
  const start = () => startAppliance(paths, ports.appliance, tokenEnvironment(paths.token));

  function assertEnded(ended: Ended, code: number, ...words: RegExp[]): void {
    assert.equal(ended.code, code, ended.out + ended.err);
    for (const word of words) assert.match(ended.out + ended.err, word);
  }

  async function identity(name: string) {
    const at = (file: string) => readFile(join(paths.etc, "clients", file), "utf8");
    return {
      address: `localhost:${ports.appliance}`,
      lineCa: await readFile(join(paths.root, "ca", "line-ca.pem"), "utf8"),
      certificate: await at(`${name}.pem`),
      key: await at(`${name}.key`),
    };
  }

  async function register(request = makeRequest()): Promise<StationAnswer> {
    const station = openRegistrationClient(await identity(STATION));
    const answer = await station.register(request).finally(() => station.close());
    boards.push({ request, answer });
    return answer;
  }

  async function exportTo(stick: string): Promise<void> {
    await mkdir(inDir(stick));
    const config = ["--config", join(paths.etc, "operator.toml")];
    assertEnded(await runReal("airlock-export", ["export", "--to", inDir(stick), "--yes", ...config]), 0);
  }

  /** The ledger has not heard of the seal's own record yet: that is noted only once the log is idle. */
  async function sealAndDie(appliance: RunningAppliance): Promise<void> {
    const operator = openTransferClient(await identity(OPERATOR));
    await operator.seal(false);
    await appliance.signer.kill();
    operator.close();
    await mkdir(inDir("stick-2"));
    const config = ["--config", join(paths.etc, "operator.toml")];
    await runReal("airlock-export", ["export", "--to", inDir("stick-2"), "--bundle", "2", "--yes", ...config]);
    await appliance.daemon.kill();
  }

  it("BUNDLE-GAP refuses to restore when a bundle is missing, BUNDLE-SUMS when a copy went bad, and writes nothing", async () => {
    const names = (await readdir(kept())).sort();
    assert.equal(names.length, 2);
    const first = join(kept(), names[0] ?? "");
    await rename(first, inDir("away"));
    assertEnded(await outside("restore", "--out", inDir("restored")), 5, /Bundle 1 is missing/, /Nothing was written/);
    await cp(inDir("away"), first, { recursive: true });
    const records = await readFile(join(first, "RECORDS.NDJSON"), "latin1");
    await writeFile(join(first, "RECORDS.NDJSON"), records.replace('"kind":"act"', '"kind":"act "'), "latin1");
    assertEnded(await outside("restore", "--out", inDir("restored")), 5, /does not match the signed list/);
    // The bad copy is named again as long as it is there; a good one beside it does not hide it.
    assertEnded(await outside("restore", "--out", inDir("restored"), inDir("stick-1")), 5, /good copies/);
    assert.deepEqual((await readdir(dir)).includes("restored"), false);
    await rm(first, { recursive: true });
    await rename(inDir("away"), first);
  });

  it("STORE-CHAIN restores the journal byte for byte, as far as bundles hold it", async () => {
    assertEnded(await outside("restore", "--out", inDir("restored")), 0, /Restored log .* 2 bundles/);
    assertEnded(await outside("restore", "--out", inDir("restored")), 2, /is there already/);
    execFileSync("sha256sum", ["-c", "--quiet", "--strict", "SHA256SUMS"], { cwd: inDir("restored") });
    const name = "0000000000000001.ndjson";
    const [restored, original] = await Promise.all(
      [inDir("restored"), inDir("dead", "journal")].map((at) => readFile(join(at, name))),
    );
    assert.ok(restored !== undefined && original !== undefined);
    assert.ok(original.subarray(0, restored.length).equals(restored));
    const rest = original.toString("latin1", restored.length);
    assert.match(rest, /^\{"v":1,"kind":"seal","log":"[0-9a-f]{8}","seq":\d+,[^\n]*\n$/, "only the last seal is lost");
  });

  it("STORE-HEAD starts on the restored journal when the ledger knows no later record, and the line goes on", async () => {
    await mkdir(join(paths.root, "store", "database"), { recursive: true });
    await cp(inDir("restored"), join(paths.root, "store", "journal"), { recursive: true });
    const appliance = await start();
    for (const { request, answer } of boards.slice(0, 4)) {
      const again = await register(request);
      assert.deepEqual([again.certificatePem, again.alreadyIssued], [answer.certificatePem, true]);
    }
    assert.equal((await register()).alreadyIssued, false);
    await appliance.stop();
  });

  it("STORE-HEAD refuses it when the ledger does, and says what is missing and the way out", async () => {
    await rm(join(paths.root, "store"), { recursive: true });
    await mkdir(join(paths.root, "store", "database"), { recursive: true });
    await cp(inDir("restored"), join(paths.root, "store", "journal"), { recursive: true });
    await assert.rejects(start());
    const said = await readFile(join(paths.logs, "airlockd.log"), "utf8");
    assert.match(said, /has seen records that this log lacks, such as record \d+; this log ends at record \d+/);
    assert.match(said, /airlockd --continue-log/);
  });
});
