import assert from "node:assert/strict";
import { Refusal } from "../../src/refusal.ts";
import { Ledger } from "../../src/signer/ledger.ts";
import { type LedgerEntry, ledgerHash, parseLedgerLine } from "../../src/signer/ledger-line.ts";
import { EMPTY_LEDGER, verifyLedgerTail } from "../../src/signer/ledger-tail.ts";
import { LedgerDouble } from "./ledger-double.ts";
import { NO_HEAD } from "./signer-site.ts";

const TBS = "ab".repeat(32);
const DEVICE: LedgerEntry = { profile: "device", signed: { key: "device-ca", tbs: TBS }, head: NO_HEAD };
const SERVER: LedgerEntry = { profile: "server", signed: { key: "line-ca", tbs: TBS }, head: NO_HEAD };
const HEAD = { seq: 7, hash: "7".repeat(64) };

function openDouble() {
  const file = new LedgerDouble();
  const failures: Error[] = [];
  const clock = { nowMs: () => Date.UTC(2026, 10, 23) };
  const ledger = new Ledger({ file, clock, state: EMPTY_LEDGER, onFailure: (error) => failures.push(error) });
  return { file, failures, ledger };
}

/** Lets everything run that waits for nothing but the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("the signer's ledger", () => {
  it("SIGN-LEDGER answers nobody before the line is synced", async () => {
    const { file, ledger } = openDouble();
    let answered: number | undefined;
    file.hold();
    const append = ledger.append(DEVICE).then((number) => {
      answered = number;
    });
    await settle();
    assert.deepEqual(file.calls, ["append 1", "sync"]);
    assert.equal(answered, undefined);
    assert.equal(ledger.state().number, 0);
    file.release();
    await append;
    assert.equal(answered, 1);
    assert.equal(ledger.state().number, 1);
  });

  it("SIGN-LEDGER writes everything that waits with one write and one sync", async () => {
    const { file, ledger } = openDouble();
    file.hold();
    const first = ledger.append(DEVICE);
    await settle();
    const rest = Array.from({ length: 20 }, () => ledger.append(DEVICE));
    await settle();
    file.release();
    assert.equal(await first, 1);
    assert.deepEqual(
      await Promise.all(rest),
      rest.map((_, i) => i + 2),
    );
    assert.deepEqual(file.calls, ["append 1", "sync", "append 20", "sync"]);
  });

  it("SIGN-LEDGER chains every line to the one before it and counts device-ca certificates alone", async () => {
    const { file, ledger } = openDouble();
    const entries = [DEVICE, SERVER, { profile: "head", head: HEAD } as const, DEVICE];
    for (const entry of entries) await ledger.append(entry);
    const texts = file.text
      .split("\n")
      .slice(0, -1)
      .map((text) => `${text}\n`);
    const lines = texts.map((text) => parseLedgerLine(text));
    assert.deepEqual(
      lines.map((line) => [line?.n, line?.profile, line?.certificates]),
      [
        [1, "device", 1],
        [2, "server", 1],
        [3, "head", 1],
        [4, "device", 2],
      ],
    );
    assert.deepEqual(
      lines.map((line) => line?.prev),
      ["0".repeat(64), ...texts.slice(0, -1).map(ledgerHash)],
    );
    const { number, hash, certificates, head } = ledger.state();
    assert.deepEqual(
      { number, hash, certificates, head },
      {
        number: 4,
        hash: ledgerHash(texts[3] ?? ""),
        certificates: 2,
        head: HEAD,
      },
    );
  });

  it("STORE-HEAD takes the head of a new log from an epoch on, now and after a restart, and no other way down", async () => {
    const { file, ledger } = openDouble();
    const head = { seq: 3, hash: "3".repeat(64) };
    await ledger.append({ ...DEVICE, head: HEAD });
    await ledger.append({ profile: "head", head });
    assert.deepEqual(ledger.state().head, HEAD);
    await assert.rejects(ledger.append({ profile: "head", head: { seq: 7, hash: "8".repeat(64) } }), {
      control: "STORE-HEAD",
    });
    await ledger.append({ profile: "epoch", head });
    assert.deepEqual(ledger.state().head, head);
    await ledger.append({ ...DEVICE, head: { seq: 7, hash: "8".repeat(64) } });
    const lines = file.text.split(/(?<=\n)/);
    assert.deepEqual(verifyLedgerTail({ end: file.text.length, isWhole: true, lines }), ledger.state());
  });

  for (const failure of [
    { at: "append", hasLanded: false },
    { at: "append", hasLanded: true },
    { at: "sync", hasLanded: true },
  ] as const) {
    it(`SIGN-LEDGER answers nobody and tries nothing again after a failed ${failure.at} (landed: ${failure.hasLanded})`, async () => {
      const { file, failures, ledger } = openDouble();
      assert.equal(await ledger.append(DEVICE), 1);
      file.failure = failure;
      let settled = 0;
      const count = () => {
        settled++;
      };
      for (let i = 0; i < 3; i++) ledger.append(DEVICE).then(count, count);
      await settle();
      file.failure = undefined;
      ledger.append(DEVICE).then(count, count);
      await settle();
      assert.equal(settled, 0);
      assert.equal(failures.length, 1);
      assert.equal(ledger.state().number, 1);
      const callsOfFailure = failure.at === "append" ? ["append 3"] : ["append 3", "sync"];
      assert.deepEqual(file.calls, ["append 1", "sync", ...callsOfFailure]);
    });
  }

  it("SIGN-LEDGER gives a refused entry no number and writes nothing for it", async () => {
    const { file, ledger } = openDouble();
    const seen: number[] = [];
    const refusal = new Refusal("SIGNER-GATE", "malformed", "No.");
    const [first, second, third] = await Promise.allSettled([
      ledger.append(DEVICE),
      ledger.append(DEVICE, (before) => {
        seen.push(before.number, before.certificates);
        throw refusal;
      }),
      ledger.append(DEVICE),
    ]);
    assert.deepEqual(first, { status: "fulfilled", value: 1 });
    assert.deepEqual(second, { status: "rejected", reason: refusal });
    assert.deepEqual(third, { status: "fulfilled", value: 2 });
    assert.deepEqual(seen, [1, 1]);
    assert.equal(file.text.split("\n").length - 1, 2);
  });

  it("STORE-HEAD refuses another hash at a sequence number that a line has named", async () => {
    const { file, ledger } = openDouble();
    await ledger.append({ ...DEVICE, head: HEAD });
    const forged = { seq: HEAD.seq, hash: "8".repeat(64) };
    await assert.rejects(ledger.append({ ...DEVICE, head: forged }), { control: "STORE-HEAD", code: "inconsistent" });
    assert.equal(file.text.split("\n").length - 1, 1);
  });

  it("STORE-HEAD keeps the newest head when requests in flight name older ones", async () => {
    const { ledger } = openDouble();
    await ledger.append({ ...DEVICE, head: HEAD });
    assert.equal(await ledger.append({ ...DEVICE, head: { seq: 6, hash: "6".repeat(64) } }), 2);
    assert.deepEqual(ledger.state().head, HEAD);
  });
});
