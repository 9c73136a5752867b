import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LogHead } from "../../src/hsm/messages.ts";
import { lineHash, ZERO_HASH } from "../../src/log/chain.ts";
import type { Log } from "../../src/log/log.ts";
import type { RegistrationRecord } from "../../src/log/record.ts";
import { encodeLedgerLine, type Profile } from "../../src/signer/ledger-line.ts";
import { expectTag, readTlv, readTlvAt, TAG } from "../../src/x509/der.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { registration, sha256 } from "../support/log-drafts.ts";
import { LogSite } from "../support/log-site.ts";
import { airlockd, removeCompiled, writeConfig } from "./store-commands.ts";

function tbsOf({ cert }: Pick<RegistrationRecord, "cert">): string {
  const certificate = readTlv(parsePem(cert.pem, "CERTIFICATE"), TAG.sequence);
  return sha256(expectTag(readTlvAt(certificate.content, 0), TAG.sequence).bytes);
}

class Ledger {
  readonly lines: string[] = [];
  #certificates = 0;

  add(profile: Profile, head: LogHead, tbs = sha256("tbs")): this {
    if (profile === "device" || profile === "bundle") this.#certificates++;
    const before = this.lines.at(-1);
    this.lines.push(
      encodeLedgerLine({
        n: this.lines.length + 1,
        prev: before === undefined ? ZERO_HASH : lineHash(before),
        at: "2026-11-23T02:35:11.123Z",
        profile,
        ...(profile === "head" ? {} : { signed: { key: "device-ca", tbs } }),
        certificates: this.#certificates,
        head,
      }),
    );
    return this;
  }
}

describe("airlockd --check-store on the signer's ledger", function () {
  this.timeout(120_000);
  let site: LogSite;
  let ledger: Ledger;
  let head: LogHead;

  /** Three boards; the ledger's lines 1 to 3 are the ceremony's, 4 to 6 theirs, 7 notes the head. */
  beforeEach(async () => {
    site = await LogSite.withLog();
    const none = { seq: 0, hash: ZERO_HASH };
    ledger = new Ledger().add("ceremony-csr", none).add("ceremony-line-ca", none).add("bundle", none);
    const log: Log = await site.open();
    for (const n of [4, 5, 6]) {
      const draft = registration(n, { ledger: n });
      ledger.add("device", log.summary().head, tbsOf(draft.body));
      await log.append(draft);
    }
    head = log.summary().head;
    ledger.add("head", head);
    await log.close();
    await writeConfig(site);
    await mkdir(join(site.root, "signer", "ledger"), { recursive: true });
  });
  afterEach(() => site.remove());
  after(removeCompiled);

  async function check(lines: readonly string[] = ledger.lines) {
    const file = join(site.root, "signer", "ledger", "ledger.ndjson");
    await writeFile(file, lines.join(""));
    return await airlockd(site, "--check-store");
  }

  it("SIGN-LEDGER proves a ledger that agrees with the journal, and says what a crash left without a record", async () => {
    const { code, stdout } = await check();
    assert.equal(code, 0, stdout);
    assert.match(stdout, /ledger +7 lines of the signer: chain, counts, heads, certificates against the journal/);
    assert.match(stdout, /Proven: 5 records in both stores and the signer's ledger/);
    ledger.add("device", head).add("device", head);
    const crashed = await check();
    assert.equal(crashed.code, 0);
    assert.match(crashed.stdout, /note {7}2 signatures have no record, as a crash leaves them/);
  });

  it("SIGN-LEDGER says so when nobody there can read the ledger", async () => {
    const { code, stdout } = await airlockd(site, "--check-store");
    assert.equal(code, 0);
    assert.match(stdout, /note {7}The signer's ledger was not compared: airlock-signer does not answer/);
    assert.match(stdout, /Proven: 5 records in both stores\n/);
    await chmod(join(site.root, "signer", "ledger"), 0o700);
  });

  const wrong: readonly (readonly [string, (lines: string[]) => void, number, RegExp])[] = [
    ["a line left out", (lines) => lines.splice(4, 1), 5, /DAMAGE .* ledger: Its line 5 does not follow/],
    [
      "an altered line",
      (lines) => lines.splice(1, 1, (lines[1] ?? "").replace("5:11.123Z", "5:11.124Z")),
      5,
      /line 3 does not follow/,
    ],
    ["a line that is none", (lines) => lines.splice(2, 1, "{}\n"), 5, /cannot be read beyond line 2/],
    [
      "a wrong count",
      (lines) => lines.splice(6, 1, (lines[6] ?? "").replace('"certificates":4', '"certificates":3')),
      5,
      /line 7 does not follow/,
    ],
    [
      "the end missing",
      (lines) => lines.splice(4),
      7,
      /ALARM \[STORE-HEAD\] ledger: It ends at line 4; 2 records name later ones/,
    ],
  ];

  for (const [what, damage, expected, sentence] of wrong) {
    it(`SIGN-LEDGER finds ${what} in the ledger and ends with ${expected}`, async () => {
      const lines = [...ledger.lines];
      damage(lines);
      const { code, stdout } = await check(lines);
      assert.equal(code, expected, stdout);
      assert.match(stdout, sentence);
    });
  }

  it("STORE-HEAD finds a journal that is older than the ledger, one of another history, and another certificate", async () => {
    ledger.add("head", { seq: 9, hash: sha256("lost") });
    const older = await check();
    assert.equal(older.code, 7);
    assert.match(older.stdout, /ALARM .* journal: The ledger's line 8 has seen record 9; the journal ends at record 5/);
    ledger.lines.pop();
    ledger.lines.pop();
    ledger.add("head", { seq: 5, hash: sha256("other") });
    const forked = await check();
    assert.equal(forked.code, 7);
    assert.match(forked.stdout, /has seen record 5; the journal has another one/);
  });

  it("SIGN-LEDGER finds a record whose certificate is not what its ledger line is of", async () => {
    const log = await site.open();
    await log.append(registration(8, { ledger: 8 }));
    await log.close();
    ledger.add("device", head, sha256("something else"));
    const { code, stdout } = await check();
    assert.equal(code, 7);
    assert.match(stdout, /ALARM .* ledger: Its line 8 is not of the certificate in record 6/);
  });

  it("STORE-HEAD finds more signatures without a record than a crash leaves", async () => {
    for (let n = 0; n < 257; n++) ledger.add("device", head);
    const { code, stdout } = await check();
    assert.equal(code, 7);
    assert.match(stdout, /257 signatures of the ledger have no record/);
  });
});
