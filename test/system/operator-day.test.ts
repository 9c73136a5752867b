import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDemoBoard, registerBoard } from "../../src/sandbox/demo-board.ts";
import { SANDBOX_TOKEN } from "../../src/sandbox/foundries-api.ts";
import { openSite, type Site } from "../../src/sandbox/site.ts";
import { DEMO_FACTORY } from "../../src/sandbox/site-files.ts";
import { readQrCodes } from "../support/read-qr.ts";
import { type Ended, runReal } from "../support/real-programs.ts";

/** One site, one day: each step builds on the one before, as it does for the operator. */
describe("an operator's day with the real programs", function () {
  this.timeout(120_000);
  let dir: string;
  let site: Site;
  let stick: string;
  let root: string;
  let boards = 0;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-day-"));
    site = await openSite(join(dir, "site"), () => undefined);
    stick = join(dir, "stick");
    root = join(site.paths.factory, "factory_ca.pem");
    await mkdir(stick);
    await writeFile(join(dir, "token"), SANDBOX_TOKEN, { mode: 0o600 });
  });

  after(async () => {
    await site?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const inside = (args: readonly string[], input?: string): Promise<Ended> =>
    runReal("airlock-export", [...args, "--config", join(site.paths.etc, "operator.toml")], input);
  const outside = (...args: string[]): Promise<Ended> =>
    runReal("airlock-import", [...args, "--state", site.paths.importer]);
  const api = () => ["--api", site.foundries.url, "--token-file", join(dir, "token"), "--yes", "--print-to", dir];

  async function register(name = `gw-${String(++boards).padStart(6, "0")}`): Promise<void> {
    const board = await createDemoBoard(join(dir, "boards"), DEMO_FACTORY, name);
    await registerBoard(site.deviceApi, board, "intel-corei7-64");
  }

  function assertEnded(ended: Ended, code: number, ...words: RegExp[]): void {
    assert.equal(ended.code, code, ended.out + ended.err);
    for (const word of words) assert.match(ended.out + ended.err, word);
    assert.equal((ended.out + ended.err).includes("\x1b"), false, "no escape codes without a terminal");
  }

  /** What a scanner types for a printed receipt. */
  async function scanPage(number: number): Promise<string> {
    return `${(await readQrCodes(await readFile(join(dir, `receipt-${number}.png`)))).join("\n")}\n`;
  }

  it("BUNDLE-COUNT exports what the line registered, shows the check words, and says when it is safe to remove", async () => {
    for (let i = 0; i < 3; i++) await register();
    assertEnded(await inside(["status"]), 0, /Queued \(not yet in a bundle\) +3 /, /Next: insert an empty stick/);
    const ended = await inside(["export", "--to", stick, "--yes"]);
    assertEnded(ended, 0, /new bundle: 3 registrations queued/, /SAFE TO REMOVE/, /check words {2}\w+-\w+-\w+-\w+/);
    assert.equal((await readdir(stick)).length, 1);
  });

  it("BUNDLE-SIG verifies the stick with the Factory root alone, and refuses it with another root or a changed byte", async () => {
    const verified = await inside(["verify", stick, "--factory-root", root]);
    assertEnded(
      verified,
      0,
      /BUNDLE-SIG +ok/,
      /BUNDLE-CHAIN +ok/,
      /CERT-PROFILE +ok +1 +3 certificates/,
      /1 verified, 0 refused/,
    );
    const other = join(site.paths.root, "ca", "line-ca.pem");
    assertEnded(await inside(["verify", stick, "--factory-root", other]), 4, /REFUSED ALB_/);
    const bad = join(dir, "bad");
    execFileSync("cp", ["-r", stick, bad]);
    const [name = ""] = await readdir(bad);
    const records = join(bad, name, "RECORDS.NDJSON");
    await writeFile(records, (await readFile(records, "utf8")).replace("gw-000001", "gw-000009"));
    assertEnded(await inside(["verify", bad, "--factory-root", root]), 5, /RECORDS.NDJSON does not match/);
  });

  it("BUNDLE-COUNT prints a packing slip with the words that stick and importer show", async () => {
    const slip = await inside(["slip", "1"]);
    assertEnded(slip, 0, /PACKING SLIP {3}Airlock bundle 1/, /Registrations +3/, /Received by +_+/);
    assert.ok(slip.out.split("\n").every((line) => line.length <= 70));
    const words = /Check words +(\S+)/.exec(slip.out)?.[1] ?? "none";
    assertEnded(await outside("verify", stick), 0, new RegExp(words));
    assertEnded(await inside(["slip", "99"]), 2, /there is no bundle 99/);
  });

  it("BUNDLE-OVERLAP writes the same bundle as an archive that unpacks to what is on the stick", async () => {
    assertEnded(await inside(["export", "--tar", `${dir}/tar/`, "--bundle", "1", "--yes"]), 0, /Archive/);
    const [archive = ""] = await readdir(join(dir, "tar"));
    execFileSync("tar", ["-xf", join(dir, "tar", archive), "-C", join(dir, "tar")]);
    execFileSync("diff", [
      "-r",
      join(stick, archive.replace(".TAR", "")),
      join(dir, "tar", archive.replace(".TAR", "")),
    ]);
  });

  it("BUNDLE-SUMS without --to and without a stick seals nothing and says so, exit 9", async () => {
    await register();
    assertEnded(await inside(["export", "--yes"]), 9, /No removable medium is mounted\. Nothing was sealed or written/);
    assertEnded(await inside(["status"]), 0, /Queued \(not yet in a bundle\) +1 /);
  });

  it("RECEIPT-SIG takes the receipt back on paper, read from the printed picture by another decoder", async () => {
    const ran = await outside("run", stick, ...api());
    assertEnded(ran, 0, /delivered 3/, /Next: print .*receipt-1\.svg/, /check words/);
    const scanned = await inside(["receipt", "scan"], await scanPage(1));
    assertEnded(scanned, 0, /Receipt 1: 1 of 1 scanned/, /RECEIPT-SIG ok importer EU1/, /Delivered 3/);
  });

  it("RECEIPT-SEQNO the same paper scanned again changes nothing, exit 3; half of it is asked for again, exit 11", async () => {
    assertEnded(await inside(["receipt", "scan"], await scanPage(1)), 3, /applied before. Nothing changed/);
    const half = (await scanPage(1)).slice(0, 300);
    assertEnded(
      await inside(["receipt", "scan"], `${half}\n4006381333931\n`),
      11,
      /Only part of the code/,
      /not a receipt's code/,
      /No receipt was scanned/,
    );
  });

  it("RECEIPT-RANGE lists a reject with what to type; its new name goes out with the next export and is delivered", async () => {
    await register("gw-taken");
    await renameInFactory("gw-taken");
    assertEnded(await inside(["rejects"]), 3, /No registration needs a decision/);
    assertEnded(await inside(["export", "--to", stick, "--yes"]), 0, /new bundle: 2 registrations queued/);
    assertEnded(await outside("run", stick, ...api()), 8, /E_NAME_TAKEN/);
    assertEnded(
      await inside(["receipt", "scan"], await scanPage(2)),
      0,
      /another device has this name/,
      /Next: airlock-export rejects/,
    );
    const listed = await inside(["rejects"]);
    assertEnded(listed, 0, /gw-taken {2}E_NAME_TAKEN/, /1 to decide/);
    const seq = /resubmit (\d+) --name/.exec(listed.out)?.[1] ?? "0";
    assertEnded(await inside(["resubmit", seq]), 2, /say the new name/);
    assertEnded(
      await inside(["resubmit", seq, "--name", "gw-free"]),
      0,
      /is now called gw-free/,
      /keeps its certificate/,
    );
    assertEnded(await inside(["export", "--to", stick, "--yes"]), 0, /Sealed {3}bundle 3/, /SAFE TO REMOVE/);
    assertEnded(await outside("run", stick, "--retry-rejected", ...api()), 0, /delivered 1/);
    assertEnded(await inside(["receipt", "scan"], await scanPage(3)), 0, /RECEIPT-SEQNO ok 3 after 2/);
    assert.ok([...site.foundries.devices.values()].some(({ name }) => name === "gw-free"));
  });

  it("ISSUE-ONCE voids a scrapped board only after a yes and a reason, and its uuid is refused from then on", async () => {
    const board = await createDemoBoard(join(dir, "boards"), DEMO_FACTORY, "gw-scrap");
    await registerBoard(site.deviceApi, board, "intel-corei7-64");
    const { out } = await inside(["list", "--name", "gw-scrap", "--json"]);
    const seq = String((JSON.parse(out) as { sequence: number }).sequence);
    assertEnded(await inside(["void", seq]), 2, /say why/);
    assertEnded(await inside(["void", seq, "--reason", "dropped"]), 11, /Nobody can answer here/);
    assertEnded(await inside(["void", seq, "--reason", "dropped", "--yes"]), 0, /Voided \(record/);
    assertEnded(await inside(["list", "--state", "voided"]), 0, /gw-scrap/);
    await assert.rejects(registerBoard(site.deviceApi, board, "intel-corei7-64"), /40[39]|422/);
  });

  it("BUNDLE-OVERLAP with nothing new and no bundle waiting, export says so and ends with 3", async () => {
    await inside(["export", "--to", stick, "--yes"]);
    await outside("run", stick, ...api());
    assertEnded(await inside(["receipt", "scan"], await scanPage(4)), 0);
    assertEnded(await inside(["export", "--to", stick]), 3, /No new registrations since bundle 4/, /--heartbeat/);
    assertEnded(await inside(["status"]), 0, /Next: nothing; all registrations are delivered/);
  });

  it("ISSUE-ONCE brings the Factory's deny list back: its board is refused at the line until the Factory clears it", async () => {
    const board = await createDemoBoard(join(dir, "boards"), DEMO_FACTORY, "gw-denied");
    const to = ["--receipt-to", stick];
    site.foundries.deny(board.uuid);
    const taken = await outside("denied", "snapshot", ...api(), ...to);
    assertEnded(
      taken,
      0,
      /denies 1 uuids\. Signed for/,
      /Next: carry it back and run {3}airlock-export deny-list apply/,
    );
    const file = join(stick, (await readdir(stick)).find((name) => name.startsWith("ALD_")) ?? "");
    assertEnded(await inside(["deny-list", "apply", file]), 0, /RECEIPT-SIG ok importer EU1/, /refused on the line/);
    assertEnded(await inside(["deny-list", "apply", file]), 3, /in force already. Nothing changed/);
    assertEnded(await inside(["status"]), 0, /Denied by the Factory +1 {3}refused on the line/);
    await assert.rejects(registerBoard(site.deviceApi, board, "intel-corei7-64"), /The Factory denies this uuid/);
    await writeFile(file, (await readFile(file, "utf8")).replace(/^M/m, "N"));
    assertEnded(await inside(["deny-list", "apply", file]), 4, /not a deny list|not signed/);
    await allowInFactory(board.uuid);
    assertEnded(await outside("denied", "list", ...api()), 3, /No imported device is on the deny list/);
    assertEnded(await outside("denied", "snapshot", ...api(), ...to), 0, /denies 0 uuids/);
    assertEnded(await inside(["deny-list", "apply", file]), 0);
    await registerBoard(site.deviceApi, board, "intel-corei7-64");
  });

  for (const args of [
    [],
    ["dance"],
    ["slip"],
    ["resubmit", "x"],
    ["export", "--to", "a", "--tar", "b"],
    ["status", "--overdue", "0"],
    ["receipt"],
    ["status", "now"],
    ["verify"],
  ]) {
    it(`BUNDLE-VER exit 2 with a sentence for: airlock-export ${args.join(" ")}`, async () => {
      const ended = await inside(args);
      assert.equal(ended.code, 2, ended.out + ended.err);
      assert.match(ended.err, /^airlock-export: .+\n$/);
    });
  }

  async function allowInFactory(uuid: string): Promise<void> {
    const url = `${site.foundries.url}/ota/factories/${DEMO_FACTORY}/denied-devices/${uuid}/`;
    const { status } = await fetch(url, { method: "DELETE", headers: { "OSF-TOKEN": SANDBOX_TOKEN } });
    assert.equal(status, 200);
  }

  /** Gives the Factory's first device another name, as somebody there might. */
  async function renameInFactory(name: string): Promise<void> {
    const [uuid] = site.foundries.devices.keys();
    const url = `${site.foundries.url}/ota/devices/${uuid}/?factory=${DEMO_FACTORY}&by-uuid=1`;
    const headers = { "OSF-TOKEN": SANDBOX_TOKEN, "Content-Type": "application/json" };
    const { status } = await fetch(url, { method: "PATCH", headers, body: JSON.stringify({ name }) });
    assert.equal(status, 200);
  }
});
