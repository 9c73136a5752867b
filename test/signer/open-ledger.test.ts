import assert from "node:assert/strict";
import { appendFile, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LedgerState } from "../../src/hsm/messages.ts";
import { encodeLedgerLine, ledgerHash, ZERO_HASH } from "../../src/signer/ledger-line.ts";
import { TAIL_BYTES } from "../../src/signer/ledger-tail.ts";
import { LEDGER_FILE, openLedger } from "../../src/signer/open-ledger.ts";
import { NO_HEAD } from "./signer-site.ts";

const clock = { nowMs: () => Date.UTC(2026, 10, 23) };
const BROKEN = { control: "SIGN-LEDGER", code: "inconsistent" };

describe("opening the signer's ledger", function () {
  this.timeout(120_000);
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "airlock-ledger-"));
    file = join(directory, LEDGER_FILE);
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  function openIt(isCreating = false) {
    const onFailure = (error: Error) => {
      throw error;
    };
    return openLedger({ directory, isCreating, clock, onFailure });
  }

  /** Opens, looks and closes. */
  async function readState(isCeremony = false): Promise<LedgerState> {
    const { ledger, close } = await openIt(isCeremony);
    await close();
    return ledger.state();
  }

  it("SIGN-LEDGER makes a ledger in the ceremony alone", async () => {
    await assert.rejects(openIt(false), BROKEN);
    await assert.rejects(stat(file), { code: "ENOENT" });
    const { ledger, close } = await openIt(true);
    assert.equal(await ledger.append({ profile: "head", head: NO_HEAD }), 1);
    await close();
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await readState()).number, 1);
  });

  it("SIGN-LEDGER goes on where it ended, in the ceremony too", async () => {
    await writeFile(file, ledgerText(5));
    const { ledger, close } = await openIt(true);
    assert.equal(await ledger.append({ profile: "head", head: NO_HEAD }), 6);
    await close();
    const lines = (await readFile(file, "latin1")).split("\n");
    assert.ok(lines[5]?.includes(`"prev":"${ledgerHash(`${lines[4]}\n`)}"`));
  });

  it("SIGN-LEDGER keeps every whole line wherever a crash cut the file", async () => {
    const text = ledgerText(2);
    const ends = [...text.matchAll(/\n/g)].map(({ index }) => index + 1);
    const nearEnds = [0, ...ends].flatMap((end) => [end - 2, end - 1, end, end + 1, end + 2]);
    const inside = Array.from({ length: text.length }, (_, at) => at).filter((at) => at % 17 === 0);
    for (const cut of [...nearEnds, ...inside].filter((at) => at >= 0 && at <= text.length)) {
      await writeFile(file, text.slice(0, cut));
      const whole = ends.filter((end) => end <= cut).length;
      assert.equal((await readState(true)).number, whole, `cut at ${cut}`);
      assert.equal((await stat(file)).size, ends[whole - 1] ?? 0, `cut at ${cut}`);
    }
  });

  it("SIGN-LEDGER cuts a last line of zeros, as some file systems leave them", async () => {
    await writeFile(file, ledgerText(3));
    await appendFile(file, Buffer.alloc(5_000));
    assert.equal((await readState()).number, 3);
    assert.equal(await readFile(file, "latin1"), ledgerText(3));
  });

  const lines = ledgerText(6).split(/(?<=\n)/);
  const breaks: readonly (readonly [string, string])[] = [
    ["a line left out", lines.toSpliced(2, 1).join("")],
    ["the first line left out", lines.slice(1).join("")],
    ["two lines swapped", [lines[0], lines[2], lines[1], ...lines.slice(3)].join("")],
    ["a line twice", [...lines.slice(0, 3), ...lines.slice(2)].join("")],
    ["a line altered", lines.with(2, (lines[2] ?? "").replace(/"tbs":"\w{4}/, '"tbs":"0000')).join("")],
    ["a count altered", lines.with(5, (lines[5] ?? "").replace('"certificates":6', '"certificates":5')).join("")],
    ["an empty line", lines.with(2, "\n").join("")],
    ["text of another kind", lines.with(5, "hello\n").join("")],
  ];
  for (const [what, text] of breaks) {
    it(`SIGN-LEDGER refuses a ledger with ${what}`, async () => {
      await writeFile(file, text);
      await assert.rejects(openIt(), BROKEN);
      await assert.rejects(openIt(true), BROKEN);
      assert.equal(await readFile(file, "latin1"), text);
    });
  }

  it("SIGN-LEDGER opens a long ledger by its tail alone, and still refuses a break inside it", async () => {
    const text = ledgerText(14_000);
    assert.ok(text.length > TAIL_BYTES);
    await writeFile(file, text);
    const state = await readState();
    assert.deepEqual(state, { number: 14_000, hash: lastHash(text), certificates: 14_000, head: NO_HEAD });
    await damage(file, text.length - 100_000);
    await assert.rejects(openIt(), BROKEN);
  });

  it("SIGN-LEDGER reads pages of at most 100 lines from any number, and shows none twice or out of order", async () => {
    const text = ledgerText(1_000);
    await writeFile(file, text);
    const { reader, close } = await openIt();
    const all = text.split("\n").slice(0, -1);
    const read: string[] = [];
    for (let page = await reader.readAfter(0); page.length > 0; page = await reader.readAfter(read.length)) {
      assert.ok(page.length <= 100);
      assert.ok(JSON.stringify(page).length < 60_000);
      read.push(...page);
    }
    assert.deepEqual(read, all);
    for (const after of [1, 2, 99, 100, 101, 500, 998, 999]) {
      assert.equal((await reader.readAfter(after))[0], all[after], `after ${after}`);
    }
    assert.deepEqual(await reader.readAfter(1_000), []);
    assert.deepEqual(await reader.readAfter(5_000), []);
    await close();
  });

  it("SIGN-LEDGER refuses to read a line that was altered while it ran", async () => {
    const text = ledgerText(300);
    await writeFile(file, text);
    const { reader, close } = await openIt();
    await damage(file, Math.floor(text.length / 2));
    await assert.rejects(reader.readAfter(120), BROKEN);
    await close();
  });

  it("SIGN-LEDGER lets no second signer have the ledger, and the next one after the first ended", async () => {
    await writeFile(file, ledgerText(1));
    const first = await openIt();
    await assert.rejects(openIt(), { control: "SERVICE-STATE", code: "needs-person" });
    await first.close();
    const second = await openIt();
    await second.close();
  });

  it("SIGN-LEDGER refuses an empty ledger outside the ceremony: somebody emptied it", async () => {
    await writeFile(file, ledgerText(4));
    await truncate(file, 0);
    await assert.rejects(openIt(false), BROKEN);
    assert.equal((await readState(true)).number, 0);
  });
});

function ledgerText(count: number): string {
  const texts: string[] = [];
  let prev = ZERO_HASH;
  for (let n = 1; n <= count; n++) {
    const signed = { key: "device-ca", tbs: ledgerHash(String(n)) } as const;
    const at = "2026-11-23T02:35:11.123Z";
    const text = encodeLedgerLine({ n, prev, at, profile: "device", signed, certificates: n, head: NO_HEAD });
    prev = ledgerHash(text);
    texts.push(text);
  }
  return texts.join("");
}

function lastHash(text: string): string {
  return ledgerHash(text.slice(text.lastIndexOf("\n", text.length - 2) + 1));
}

/** Turns one hexadecimal digit at or after the offset into another. */
async function damage(path: string, offset: number): Promise<void> {
  const handle = await open(path, "r+");
  const { buffer } = await handle.read(Buffer.alloc(600), 0, 600, offset);
  const at = buffer.indexOf('"tbs":"') + 7;
  await handle.write(buffer[at] === 0x30 ? "1" : "0", offset + at);
  await handle.close();
}
