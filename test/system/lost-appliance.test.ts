import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CUSTODIANS } from "../../src/sandbox/create-site.ts";
import { createDemoBoard, type DemoBoard, registerBoard } from "../../src/sandbox/demo-board.ts";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { openSite, type Site } from "../../src/sandbox/site.ts";
import { clientToml, DEMO_APPLIANCE, DEMO_FACTORY } from "../../src/sandbox/site-files.ts";
import { type Ended, runReal } from "../support/real-programs.ts";

/** Two appliances of one Factory, one operator, one stick, one importer; then one of the appliances burns down. */
describe("two appliances, of which one is lost, with the real programs", function () {
  this.timeout(180_000);
  let dir: string;
  let stick: string;
  let here: Site;
  let there: Site;
  let foundries: FoundriesApiSandbox;
  /** Log ids of the two. */
  let mine: string;
  let other: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-two-"));
    stick = join(dir, "stick");
    await mkdir(stick);
    [here, there] = [
      await openSite(join(dir, "here"), () => undefined),
      await openSite(join(dir, "there"), () => undefined),
    ];
    const cas = await Promise.all(
      [here, there].map(({ paths }) => readFile(join(paths.ceremony, "device-ca.pem"), "utf8")),
    );
    foundries = await startFoundriesApi({ factory: DEMO_FACTORY, deviceCasPem: cas.join("") });
    await writeFile(join(dir, "token"), SANDBOX_TOKEN, { mode: 0o600 });
    [mine, other] = [await readLogId(here), await readLogId(there)];
    await pinEachOther();
  });

  after(async () => {
    await foundries?.close();
    await here?.stop().catch(() => undefined);
    await there?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const inside = (site: Site, ...args: string[]): Promise<Ended> =>
    runReal("airlock-export", [...args, "--config", join(site.paths.etc, "operator.toml")]);
  const outside = (...args: string[]): Promise<Ended> =>
    runReal("airlock-import", [...args, "--state", here.paths.importer]);
  const api = () => ["--api", foundries.url, "--token-file", join(dir, "token"), "--yes", "--receipt-to", stick];

  async function readLogId({ paths }: Site): Promise<string> {
    const { out } = await runReal("airlock-export", ["status", "--json", "--config", join(paths.etc, "operator.toml")]);
    const { log } = JSON.parse(out) as { log: string };
    return log;
  }

  /** The importer of the first site takes on the second appliance, whose custodians trust its key. */
  async function pinEachOther(): Promise<void> {
    const { paths } = there;
    const names = ["--appliance", DEMO_APPLIANCE, "--factory", DEMO_FACTORY, "--log", other];
    const files = ["--factory-root", join(paths.factory, "factory_ca.pem")];
    const ca = ["--device-ca", join(paths.ceremony, "device-ca.pem"), "--yes"];
    assert.equal((await outside("trust", ...names, ...files, ...ca)).code, 0);
    const config = join(paths.etc, "custodian-other.toml");
    await writeFile(config, clientToml(there.ports, CUSTODIANS[1]));
    const importer = `EU1=${join(here.paths.importer, "importer.pem")}`;
    const proposed = await runReal("airlock-custody", [
      ...["act", "propose", "trust-importer", "--importer", importer, "--json"],
      ...["--config", join(paths.etc, "custodian.toml")],
    ]);
    const { actId } = JSON.parse(proposed.out) as { actId: string };
    const approved = await runReal("airlock-custody", ["act", "approve", actId, "--yes", "--config", config]);
    assertEnded(approved, 0);
  }

  async function register(site: Site, name: string): Promise<DemoBoard> {
    const board = await createDemoBoard(join(dir, "boards"), DEMO_FACTORY, name);
    await registerBoard(site.deviceApi, board, "intel-corei7-64");
    return board;
  }

  function assertEnded(ended: Ended, code: number, ...words: RegExp[]): void {
    assert.equal(ended.code, code, ended.out + ended.err);
    for (const word of words) assert.match(ended.out + ended.err, word);
  }

  const namesOnStick = async (prefix: string) =>
    (await readdir(stick)).filter((name) => name.startsWith(prefix)).sort();

  it("BUNDLE-WHO one stick takes both appliances' bundles; each says which are its own, and neither touches the other's", async () => {
    for (const name of ["here-1", "here-2"]) await register(here, name);
    await register(there, "there-1");
    assertEnded(
      await inside(here, "export", "--to", stick, "--yes"),
      0,
      /new bundle: 2 registrations queued/,
      /SAFE TO REMOVE/,
    );
    const [first = ""] = await namesOnStick("ALB_");
    const before = await readFile(join(stick, first, "SHA256SUMS"));
    assertEnded(
      await inside(there, "export", "--to", stick, "--yes"),
      0,
      /new bundle: 1 registration queued/,
      /SAFE TO REMOVE/,
    );
    assert.equal((await namesOnStick("ALB_")).length, 2);
    assert.ok((await readFile(join(stick, first, "SHA256SUMS"))).equals(before));
  });

  it("BUNDLE-JOIN the importer tells the two logs apart, delivers both and writes a receipt for each", async () => {
    const ran = await outside("run", stick, ...api());
    const logs = [mine, other];
    for (const log of logs) assert.match(ran.out, new RegExp(`1 bundle from ${DEMO_APPLIANCE} \\(log ${log}\\)`));
    assertEnded(ran, 0, /delivered 2 /, /delivered 1 /);
    assert.equal((ran.out.match(/Receipt 1 covers bundle 1/g) ?? []).length, 2);
    assert.deepEqual(await namesOnStick("ALR_"), logs.map((log) => `ALR_${log.toUpperCase()}_EU1_00001`).sort());
    assert.deepEqual([...foundries.devices.values()].map(({ name }) => name).sort(), ["here-1", "here-2", "there-1"]);
  });

  it("RECEIPT-LOG each receipt is taken at its own appliance, and refused at the other, which changes nothing", async () => {
    const receiptOf = (log: string) => join(stick, `ALR_${log.toUpperCase()}_EU1_00001`);
    const refused = await inside(here, "receipt", "apply", receiptOf(other));
    assert.notEqual(refused.code, 0);
    assert.match(refused.err, /RECEIPT-LOG|RECEIPT-SIG/);
    assertEnded(await inside(here, "receipt", "apply", receiptOf(mine)), 0, /Delivered 2/);
    assertEnded(await inside(there, "receipt", "apply", receiptOf(other)), 0, /Delivered 1/);
  });

  it("BUNDLE-GAP an appliance burned down: the importer says what is kept, and gives its records back byte for byte", async () => {
    await register(here, "here-3");
    assertEnded(await inside(here, "export", "--to", stick, "--yes"), 0);
    assertEnded(await outside("run", stick, ...api()), 0, /delivered 1 /);
    const lost = await register(here, "here-lost");
    await here.stop();
    for (const name of await readdir(here.paths.root)) {
      if (name !== "importer") await rm(join(here.paths.root, name), { recursive: true, force: true });
    }
    const kept = await outside("kept", "--log", mine);
    assertEnded(
      kept,
      0,
      /2 bundles, records 1 to \d+ without a gap/,
      /3: in the Factory 3/,
      /keep its device CA enabled/,
    );
    const numbered = await namesOnStick(`ALB_${mine.toUpperCase()}`);
    assert.equal(numbered.length, 2);
    const onStick = await Promise.all(numbered.map((name) => readFile(join(stick, name, "RECORDS.NDJSON"), "utf8")));
    const restored = join(dir, "journal");
    assertEnded(await outside("restore", "--log", mine, "--out", restored), 0, /Restored log .*: 2 bundles/);
    const records = await readFile(join(restored, "0000000000000001.ndjson"), "utf8");
    assert.equal(records, onStick.join(""));
    assert.equal(records.includes(lost.uuid), false);
  });

  it("BUNDLE-SUMS what is kept was changed: it says so, instead of giving back what the appliance never had", async () => {
    const bundle = join(
      here.paths.importer,
      "logs",
      other,
      "bundles",
      `ALB_${other.toUpperCase()}_00001`,
      "RECORDS.NDJSON",
    );
    const good = await readFile(bundle, "utf8");
    await writeFile(bundle, good.replace("there-1", "there-2"));
    const changed = await outside("restore", "--log", other, "--out", join(dir, "bad"));
    assertEnded(changed, 5, /BUNDLE-SUMS/, /Nothing was written/);
    await writeFile(bundle, good);
  });

  it("BUNDLE-JOIN the board that nobody knew of registers again at the other appliance and is delivered; the report tells of the old log", async () => {
    const board = await register(there, "here-lost");
    assertEnded(await inside(there, "export", "--to", stick, "--yes"), 0);
    assertEnded(await outside("run", stick, ...api()), 0, /already imported/, /delivered 1 /);
    assert.ok(foundries.devices.has(board.uuid));
    const report = join(dir, "report.html");
    assertEnded(await outside("report", "--log", mine, "--out", report), 0, /Report about/);
  });
});
