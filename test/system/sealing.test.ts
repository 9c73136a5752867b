import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseShareFile } from "../../src/cli/custody/share-file.ts";
import { Refusal } from "../../src/refusal.ts";
import { openCustodyClient } from "../../src/rpc/custody-client.ts";
import { askHealth } from "../../src/rpc/health-client.ts";
import { openRegistrationClient } from "../../src/rpc/registration-client.ts";
import { openTransferClient } from "../../src/rpc/transfer-client.ts";
import { CUSTODIANS, OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { searchMemory } from "../support/memory-search.ts";
import { makeSealedSite, type SealedSite } from "../support/sealed-site.ts";
import { sharedSite } from "../support/shared-site.ts";
import { makeRequest } from "../support/station.ts";

const [ALICE, BOB] = CUSTODIANS;
const EXIT = { done: 0, trust: 4, nothingToDo: 3, usage: 2, hsm: 12 };

describe("an appliance unsealed by custodians' shares", function () {
  this.timeout(180_000);
  let site: SealedSite;
  const request = makeRequest();

  before(async () => {
    site = await makeSealedSite();
  });

  after(() => site.remove());

  const share = (number: number) => site.shares[number - 1] ?? "";
  const register = async (what = request) => {
    const client = openRegistrationClient(await site.identity(STATION));
    return await client.register(what).finally(() => client.close());
  };
  const isSealed = (error: unknown) => error instanceof Refusal && error.control === "KEY-CAPTIVE";
  const hsm = async () => {
    const client = openCustodyClient(await site.identity(ALICE));
    return (await client.status().finally(() => client.close())).hsm;
  };
  const audit = async (): Promise<string> => (await site.custody(ALICE, "audit")).out;

  it("DUAL-CONTROL begins sealed: no new board, and status says who must do what", async () => {
    await assert.rejects(register(), isSealed);
    const { code, out } = await site.custody(ALICE, "status");
    assert.equal(code, EXIT.hsm);
    assert.match(out, /HSM +sealed: .*custodians must present their shares/);
    assert.match(out, /split 1 \([0-9a-f]{8}\): 2 of 3 shares/);
    assert.match(out, /Next: custodians present their shares/);
    assert.match(await audit(), /ceremony +split 1 of the PIN: 2 of 3 shares/);
  });

  it("DUAL-CONTROL refuses one person who presents two shares, and a share that was changed", async () => {
    const first = await site.custody(ALICE, "shares", "present", share(1));
    assert.equal(first.code, EXIT.done);
    assert.match(first.out, /Taken: 1 of 2 shares/);
    const second = await site.custody(ALICE, "shares", "present", share(2));
    assert.equal(second.code, EXIT.trust);
    assert.match(second.err, /This person has presented a share already.*\[DUAL-CONTROL\]\nNext: /);
    const changed = join(site.paths.ceremony, "changed.txt");
    const text = await readFile(share(2), "utf8");
    await writeFile(
      changed,
      text.replace(/^value ./m, (at) => (at.endsWith("0") ? "value 1" : "value 0")),
      { mode: 0o600 },
    );
    const wrong = await site.custody(BOB, "shares", "present", changed);
    assert.equal(wrong.code, EXIT.usage);
    assert.match(wrong.err, /a character of it is wrong/);
    assert.equal(await hsm(), "sealed");
  });

  it("DUAL-CONTROL unseals with the second person's share, on record first, and boards register", async () => {
    const { code, out } = await site.custody(BOB, "shares", "present", share(2));
    assert.equal(code, EXIT.done);
    assert.match(out, /Unsealed with 2 shares/);
    await register();
    assert.equal((await site.custody(ALICE, "status")).code, EXIT.done);
    assert.match(await audit(), new RegExp(`${BOB} +unsealed the HSM with the shares of ${ALICE}, ${BOB}`));
    const again = await site.custody(ALICE, "shares", "present", share(3));
    assert.equal(again.code, EXIT.nothingToDo);
    assert.match(again.err, /not sealed/);
  });

  it("DUAL-CONTROL rehearses while the line goes on", async () => {
    assert.match((await site.custody(ALICE, "shares", "rehearse", share(3))).out, /Taken: 1 of 2 shares/);
    assert.match((await site.custody(BOB, "shares", "rehearse", share(1))).out, /The shares work: 2 of 2/);
    assert.match(await audit(), new RegExp(`rehearsed shares: ${ALICE}, ${BOB}`));
    await register(makeRequest());
  });

  it("SECRET-SILENT: neither PIN nor shares in airlockd's memory, anybody's environment, arguments, logs or errors", async () => {
    const { needles, secrets } = await makeNeedles(site);
    const control = new Map([["control", Buffer.from(site.paths.applianceToml)]]);
    assert.deepEqual(await searchMemory(site.daemon().pid, control), new Set(["control"]));
    // Of the signer's parent the search finds the PIN: so it would find it elsewhere.
    assert.ok((await searchMemory(site.signer().pid, needles)).has("pin raw"));
    assert.deepEqual(await searchMemory(site.daemon().pid, needles), new Set());
    for (const pid of [site.daemon().pid, site.signer().pid, ...(await childrenOf(site.signer().pid))]) {
      for (const what of ["environ", "cmdline"]) {
        const bytes = await readFile(`/proc/${pid}/${what}`);
        assert.ok(bytes.length > 0);
        for (const [name, needle] of needles) assert.ok(!bytes.includes(needle), `${name} in ${what} of ${pid}`);
      }
    }
    const texts = await filesBelow(site, ["log", "store", "signer", "run"]);
    assert.ok(texts.some((text) => text.includes("the signer answers")));
    for (const [name, needle] of needles) assert.ok(!texts.some((text) => text.includes(needle)), name);
    assert.equal(secrets, 4);
  });

  it("DUAL-CONTROL seals at one custodian's word: health and new boards stop, everything stored goes on", async () => {
    const operator = openTransferClient(await site.identity(OPERATOR));
    await operator.seal(false);
    assert.equal((await askHealth(await site.identity(STATION))).isServing, true);
    const { code, out } = await site.custody(ALICE, "seal", "--yes");
    assert.equal(code, EXIT.done);
    assert.equal((await askHealth(await site.identity(STATION))).isServing, false);
    assert.match(out, /Sealed\.\nNext: custodians present their shares/);
    assert.match(await audit(), new RegExp(`${ALICE} +sealed the HSM`));
    await assert.rejects(register(makeRequest()), isSealed);
    assert.equal((await register()).alreadyIssued, true);
    assert.equal((await operator.status()).awaitingReceipt, 2n);
    assert.equal((await operator.bundles()).length, 1);
    let bytes = 0;
    for await (const { chunk } of operator.read(1)) bytes += chunk.length;
    assert.ok(bytes > 2_000);
    await assert.rejects(operator.seal(true), isSealed);
    operator.close();
  });

  it("DUAL-CONTROL comes back sealed when the signer's process dies, and the shares open it again", async () => {
    await site.custody(ALICE, "shares", "present", share(1));
    await site.custody(BOB, "shares", "present", share(3));
    assert.equal(await hsm(), "ready");
    await site.restartSigner();
    assert.equal(await hsm(), "sealed");
    await site.custody(BOB, "shares", "present", share(2));
    await site.custody(ALICE, "shares", "present", share(1));
    assert.equal(await hsm(), "ready");
    await register(makeRequest());
  });

  it("DUAL-CONTROL gives up an unsealing whose persons a restart of airlockd has forgotten", async () => {
    await site.custody(ALICE, "seal", "--yes");
    await site.custody(ALICE, "shares", "present", share(1));
    await site.stopDaemon();
    await site.startDaemon();
    const lost = await site.custody(ALICE, "shares", "present", share(2));
    assert.match(lost.err, /earlier attempt. Present it again/);
    assert.match((await site.custody(ALICE, "shares", "present", share(2))).out, /Taken: 1 of 2/);
    assert.match((await site.custody(BOB, "shares", "present", share(1))).out, /Unsealed/);
  });

  it("SECRET-SILENT refuses a share file that others can read", async () => {
    const open = join(site.paths.ceremony, "open.txt");
    await writeFile(open, await readFile(share(1)), { mode: 0o644 });
    const { err } = await site.custody(ALICE, "shares", "rehearse", open);
    assert.match(err, /can be read by others/);
  });
});

describe("an appliance whose PIN is a file", function () {
  this.timeout(180_000);

  it("SECRET-SILENT: the PIN is neither in airlockd's memory nor in anybody's environment, arguments or logs", async () => {
    const site = await sharedSite();
    const { daemon, signer } = site.appliance;
    const pin = Buffer.from((await readFile(join(site.paths.token, "pin"), "utf8")).trim());
    const needles = new Map([
      ["raw", pin],
      ["hex", Buffer.from(pin.toString("hex"))],
      ["base64", Buffer.from(pin.toString("base64").replace(/=+$/, ""))],
    ]);
    assert.deepEqual(await searchMemory(daemon.pid, needles), new Set());
    const log = await readFile(join(site.paths.logs, "airlock-signer.log"));
    const texts = [log, await readFile(join(site.paths.logs, "airlockd.log"))];
    for (const pid of [daemon.pid, signer.pid, ...(await childrenOf(signer.pid))]) {
      texts.push(await readFile(`/proc/${pid}/environ`), await readFile(`/proc/${pid}/cmdline`));
    }
    for (const [name, needle] of needles)
      assert.ok(
        texts.every((text) => !text.includes(needle)),
        name,
      );
    // The site's own configuration is there for certain, so the search can find.
    const control = new Map([["control", Buffer.from(site.paths.applianceToml)]]);
    assert.deepEqual(await searchMemory(daemon.pid, control), new Set(["control"]));
  });
});

/** PIN and shares, each raw, in hex and in base64, by name. */
async function makeNeedles(site: SealedSite): Promise<{ needles: Map<string, Buffer>; secrets: number }> {
  const secrets: [string, Buffer][] = [["pin", Buffer.from(site.pin)]];
  for (const file of site.shares) secrets.push([file, parseShareFile(await readFile(file, "utf8")).value]);
  const needles = secrets.flatMap(([name, secret]): [string, Buffer][] => [
    [`${name} raw`, secret],
    [`${name} hex`, Buffer.from(secret.toString("hex"))],
    [`${name} base64`, Buffer.from(secret.toString("base64").replace(/=+$/, ""))],
  ]);
  return { needles: new Map(needles), secrets: secrets.length };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

async function filesBelow(site: SealedSite, directories: readonly string[]): Promise<Buffer[]> {
  const texts: Buffer[] = [];
  for (const directory of directories) {
    const entries = await readdir(join(site.paths.root, directory), { recursive: true, withFileTypes: true });
    for (const entry of entries) if (entry.isFile()) texts.push(await readFile(join(entry.parentPath, entry.name)));
  }
  return texts;
}
