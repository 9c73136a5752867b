import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRegistrationClient, type StationAnswer, type StationRequest } from "../../src/rpc/registration-client.ts";
import { CUSTODIANS, createSite, STATION } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { freePort } from "../../src/sandbox/programs.ts";
import { startAppliance, startSigner } from "../../src/sandbox/run-site.ts";
import {
  DEMO_APPLIANCE,
  DEMO_FACTORY,
  type SitePaths,
  type SitePorts,
  sitePaths,
} from "../../src/sandbox/site-files.ts";
import { LogWitness } from "../crash/log-witness.ts";
import { type Ended, runReal } from "../support/real-programs.ts";
import { makeKeyPair, makeRequest } from "../support/station.ts";

/** A disk from yesterday, from the refusal to the next bundle: each step builds on the one before. */
describe("continuing a rolled-back log in a new one", function () {
  this.timeout(240_000);
  let dir: string;
  let paths: SitePaths;
  let ports: SitePorts;
  let foundries: FoundriesApiSandbox;
  const boards: { request: StationRequest; answer: StationAnswer }[] = [];
  let oldLog: string;
  let newLog: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-continue-"));
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
    await whileRunning(async () => {
      for (let n = 0; n < 3; n++) await register(makeRequest());
      await mkdir(join(dir, "stick-1"));
      assertEnded(await inside("export", "--to", join(dir, "stick-1"), "--yes"), 0);
    });
    assertEnded(await outside("run", join(dir, "stick-1"), ...api()), 0, /delivered 3/);
    await cp(join(paths.root, "store"), join(dir, "yesterday"), { recursive: true });
    await whileRunning(async () => {
      for (let n = 0; n < 2; n++) await register(makeRequest());
    });
    oldLog = await logId();
    // Yesterday's disk comes back, journal and database both; the ledger is on another one.
    await rm(join(paths.root, "store"), { recursive: true });
    await rename(join(dir, "yesterday"), join(paths.root, "store"));
  });

  after(async () => {
    await foundries?.close();
    await rm(dir, { recursive: true, force: true });
  });

  const store = (...parts: string[]) => join(paths.root, "store", ...parts);
  const inDir = (name: string) => join(dir, name);
  const daemon = (...args: string[]) => runReal("airlockd", ["--config", paths.applianceToml, ...args]);
  const inside = (...args: string[]) =>
    runReal("airlock-export", [...args, "--config", join(paths.etc, "operator.toml")]);
  const outside = (...args: string[]) => runReal("airlock-import", [...args, "--state", paths.importer]);
  const api = () => ["--api", foundries.url, "--token-file", join(dir, "token"), "--yes"];
  const continuing = (...args: string[]) =>
    daemon(
      ...["--continue-log", inDir("act.json"), "--former", store("journal.old")],
      ...["--former-database", store("database.old"), ...args],
    );
  const sign = (custodian: string, out: string, ...args: string[]) => {
    const at = (suffix: string) => join(paths.etc, "clients", `${custodian}.${suffix}`);
    const files = ["--key", at("key"), "--certificate", at("pem"), "--out", inDir(out)];
    return runReal("airlock-custody", ["act", "sign", inDir("act.json"), ...files, "--yes", ...args]);
  };

  function assertEnded(ended: Ended, code: number, ...words: RegExp[]): void {
    assert.equal(ended.code, code, ended.out + ended.err);
    for (const word of words) assert.match(ended.out + ended.err, word);
  }

  async function whileRunning(work: () => Promise<void>): Promise<void> {
    const appliance = await startAppliance(paths, ports.appliance, tokenEnvironment(paths.token));
    await work().finally(() => appliance.stop());
  }

  async function inCeremony(work: () => Promise<void>): Promise<void> {
    const signer = await startSigner(paths, tokenEnvironment(paths.token), ["--ceremony"]);
    await work().finally(() => signer.stop());
  }

  async function openStation() {
    const at = (file: string) => readFile(join(paths.etc, "clients", file), "utf8");
    return openRegistrationClient({
      address: `localhost:${ports.appliance}`,
      lineCa: await readFile(join(paths.root, "ca", "line-ca.pem"), "utf8"),
      certificate: await at(`${STATION}.pem`),
      key: await at(`${STATION}.key`),
    });
  }

  async function register(request: StationRequest): Promise<void> {
    const station = await openStation();
    boards.push({ request, answer: await station.register(request).finally(() => station.close()) });
  }

  async function logId(): Promise<string> {
    const [segment = ""] = (await readdir(store("journal"))).filter((name) => name.endsWith(".ndjson"));
    return JSON.parse((await readFile(store("journal", segment), "latin1")).split("\n")[0] ?? "").log;
  }

  it("STORE-HEAD refuses yesterday's disk and names the way out", async () => {
    const signer = await startSigner(paths, tokenEnvironment(paths.token));
    const ended = await daemon();
    await signer.stop();
    assert.notEqual(ended.code, 0);
    assert.match(
      ended.out + ended.err,
      /ledger has seen records that this log lacks, such as record \d+; this log ends at record \d+/,
    );
    assert.match(ended.out + ended.err, /airlockd --continue-log/);
  });

  it("DUAL-CONTROL writes down what would be continued, and changes nothing", async () => {
    for (const name of ["journal", "database"]) await rename(store(name), store(`${name}.old`));
    await inCeremony(async () => {
      assertEnded(await continuing(), 2, /say why/);
      const ended = await continuing("--reason", "disk restored from a backup");
      assertEnded(ended, 0, /3 registrations/, /custodian-1/, /custodian-2/, /Nothing was changed/);
    });
    assert.deepEqual((await readdir(store())).sort(), ["database.old", "journal.old"]);
    const act = JSON.parse(await readFile(inDir("act.json"), "utf8"));
    assert.deepEqual([act.kind, act.former.log, act.carried.registrations], ["continue-log", oldLog, 3]);
  });

  it("DUAL-CONTROL refuses one custodian alone, one twice, a station's certificate, and an act that was altered", async () => {
    assertEnded(await sign(CUSTODIANS[0], "one.json"), 0, /CONTINUE LOG/, /disk restored from a backup/);
    assertEnded(await sign(CUSTODIANS[0], "same.json"), 0);
    assertEnded(await sign(STATION, "station.json"), 0);
    const approvals = (...names: string[]) => names.flatMap((name) => ["--approval", inDir(name)]);
    await inCeremony(async () => {
      assertEnded(
        await continuing(...approvals("one.json")),
        4,
        /1 different custodians have approved this act; it needs 2/,
      );
      assertEnded(await continuing(...approvals("one.json", "same.json")), 4, /needs 2/);
      assertEnded(await continuing(...approvals("one.json", "station.json")), 4, /no custodian of this log has/);
      const json = await readFile(inDir("act.json"), "utf8");
      await writeFile(inDir("act.json"), json.replace("disk restored", "disk replaced"));
      assertEnded(await sign(CUSTODIANS[1], "other.json"), 0);
      assertEnded(await continuing(...approvals("one.json", "other.json")), 4, /of another act/);
      await writeFile(inDir("act.json"), json.replace('"registrations":3', '"registrations":2'));
      assertEnded(await continuing(...approvals("one.json", "other.json")), 4, /does not describe what is here now/);
      await writeFile(inDir("act.json"), json);
    });
    assert.deepEqual((await readdir(store())).sort(), ["database.old", "journal.old"]);
  });

  it("DUAL-CONTROL makes the new log when two custodians signed it, at the console alone", async () => {
    assertEnded(await sign(CUSTODIANS[1], "two.json"), 0);
    const approvals = ["--approval", inDir("one.json"), "--approval", inDir("two.json"), "--yes"];
    const signer = await startSigner(paths, tokenEnvironment(paths.token));
    assertEnded(await continuing(...approvals), 2, /airlock-signer --ceremony/);
    await signer.stop();
    const before = await readFile(store("journal.old", "0000000000000001.ndjson"));
    await inCeremony(async () => {
      assertEnded(await continuing(...approvals), 0, new RegExp(`Created log [0-9a-f]{8}, which continues ${oldLog}`));
      assertEnded(await continuing(...approvals), 2, /there is a log in the configured directories already/);
    });
    newLog = await logId();
    assert.notEqual(newLog, oldLog);
    assert.deepEqual(await readFile(store("journal.old", "0000000000000001.ndjson")), before);
  });

  it("ISSUE-ONCE gives the boards that are known the same bytes, KEY-UNIQUE refuses their keys, and new ones register", async () => {
    const [known, , , lost] = boards;
    assert.ok(known !== undefined && lost !== undefined);
    await whileRunning(async () => {
      const station = await openStation();
      for (const { request, answer } of boards.slice(0, 3)) {
        const again = await station.register(request);
        assert.deepEqual([again.certificatePem, again.alreadyIssued], [answer.certificatePem, true]);
      }
      const key = makeKeyPair();
      const first = makeRequest(undefined, key);
      await station.register(first);
      await assert.rejects(station.register(makeRequest(undefined, key)), { control: "KEY-UNIQUE" });
      await assert.rejects(station.register(makeRequest(known.request.uuid)), { control: "ISSUE-ONCE" });
      await assert.rejects(station.register({ ...makeRequest(), name: known.request.name }), { code: "conflict" });
      const fresh = await station.register(lost.request);
      assert.equal(fresh.alreadyIssued, false, "its record was lost with the disk");
      station.close();
      await mkdir(inDir("stick-2"));
      assertEnded(await inside("export", "--to", inDir("stick-2"), "--yes"), 0, /new bundle: 5 registrations/);
    });
    const witness = new LogWitness(store("journal"));
    await witness.follow();
    for (const { request, answer } of boards.slice(0, 3)) {
      assert.equal(witness.certificateOf(request.uuid), answer.certificatePem);
    }
    assertEnded(await daemon("--check-store"), 0, /ledger +\d+ lines of the signer/, /Proven: .* the signer's ledger/);
  });

  it("BUNDLE-WHO refuses the new log's bundle until it is pinned, BUNDLE-JOIN then names the log that it continues", async () => {
    assertEnded(await outside("verify", inDir("stick-2")), 4, /BUNDLE-WHO|Nobody has vouched|not pinned/);
    assertEnded(
      await outside(
        ...["trust", "--appliance", DEMO_APPLIANCE, "--factory", DEMO_FACTORY, "--log", newLog, "--yes"],
        ...["--factory-root", join(paths.factory, "factory_ca.pem")],
        ...["--device-ca", join(paths.ceremony, "device-ca.pem")],
      ),
      0,
    );
    assertEnded(
      await outside("verify", inDir("stick-2")),
      0,
      new RegExp(`BUNDLE-JOIN.*continues log ${oldLog} after record \\d+`),
      new RegExp(`BUNDLE-JOIN +ok .*log ${oldLog} ended where it says`),
      /BUNDLE-LEDGER +ok .* 8 signatures, 8 accounted for/,
    );
    assertEnded(await outside("run", inDir("stick-2"), ...api()), 0, /delivered 2/, /already there 3/);
  });
});
