import assert from "node:assert/strict";
import fc from "fast-check";
import { lineHash } from "../../src/log/chain.ts";
import type { RecordDraft } from "../../src/log/record.ts";
import { RECORD_KINDS } from "../../src/log/record.ts";
import { encodeRecord, MAX_RECORD_BYTES, parseRecord, readHeader } from "../../src/log/record-codec.ts";
import { by, drafts, enrolment, genesis, receipt, registration, seal, uuidOf } from "../support/log-drafts.ts";

const header = { log: "a7f3c2e1", seq: 41873, prev: "a".repeat(64), at: "2026-11-23T02:35:11.123Z" };

const everyKind: readonly RecordDraft[] = [
  genesis(),
  registration(1, { replaces: 7 }),
  drafts.unissued(9),
  drafts.void(3),
  drafts.resubmit(3, "other"),
  enrolment("st1"),
  drafts.revocation("st1"),
  drafts.trust("eu1"),
  { kind: "act", body: { act: "seal-hsm", by } },
  { kind: "act", body: { act: "unseal-hsm", how: "shares", persons: ["alice", "bob"], by } },
  { kind: "act", body: { act: "unseal-hsm", how: "console", persons: [], by: "console" } },
  { kind: "act", body: { act: "rehearse-shares", persons: ["alice", "bob"], by } },
  {
    kind: "act",
    body: { act: "split-pin", split: { number: 1, id: "0a1b2c3d", needed: 2, total: 3 }, by: "ceremony" },
  },
  {
    kind: "act",
    body: {
      act: "install-device-ca",
      deviceCa: { spkiSha256: "1".repeat(64), certSha256: "2".repeat(64) },
      bundleSign: { spkiSha256: "3".repeat(64), certSha256: "4".repeat(64) },
      former: { sha256: "5".repeat(64), pem: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" },
      ledger: 17,
      tbsSha256: "6".repeat(64),
      by: "ceremony",
    },
  },
  drafts.refusals(),
  seal(1, 1, 10, 8),
  receipt(1, { bundles: [1], exceptions: [{ seq: 4, through: 9, outcome: "rejected", code: "E_DENIED" }] }),
  drafts.delivery(uuidOf(1)),
];

const hex = (digit: string) => digit.repeat(64);

/** The members in an order of their own: it is the codec that puts them in theirs. */
const vector: RecordDraft = {
  kind: "registration",
  body: {
    ledger: 41880,
    replaces: 12,
    order: "wo-7",
    by: { clientSha256: hex("3"), client: "st1" },
    caSha256: hex("2"),
    csrSha256: hex("1"),
    cert: {
      pem: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
      notAfter: "2046-11-23T02:35:11.000Z",
      serial: "0a0b",
      sha256: hex("0"),
    },
    device: {
      production: true,
      group: "fleet",
      hardwareId: "imx8mm-lpddr4-evk",
      name: "board-1",
      uuid: "11111111-2222-4333-8444-555555555555",
    },
  },
};
const vectorLine =
  '{"v":1,"kind":"registration","log":"a7f3c2e1","seq":41873,' +
  `"prev":"${hex("a")}","at":"2026-11-23T02:35:11.123Z",` +
  '"device":{"uuid":"11111111-2222-4333-8444-555555555555","name":"board-1","hardwareId":"imx8mm-lpddr4-evk",' +
  '"group":"fleet","production":true},' +
  `"cert":{"sha256":"${hex("0")}","serial":"0a0b","notAfter":"2046-11-23T02:35:11.000Z",` +
  '"pem":"-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----\\n"},' +
  `"csrSha256":"${hex("1")}","caSha256":"${hex("2")}","by":{"client":"st1","clientSha256":"${hex("3")}"},` +
  '"order":"wo-7","ledger":41880,"replaces":12}\n';

const line = encodeRecord(header, vector);
const replaced = (from: string, to: string) => {
  assert.ok(line.includes(from), `the line has ${from}`);
  return line.replace(from, to);
};

/** Lines that say what a good one says, or nearly, in bytes that encodeRecord would not write. */
const hostile: readonly (readonly [string, string])[] = [
  ["no LF", line.slice(0, -1)],
  ["a second LF", `${line}\n`],
  ["CRLF", `${line.slice(0, -1)}\r\n`],
  ["a byte order mark", `\ufeff${line}`],
  ["a space after a colon", replaced('"v":1', '"v": 1')],
  ["members in another order", replaced('"seq":41873,', "").replace('"v":1,', '"v":1,"seq":41873,')],
  ["a member twice", replaced('"ledger":41880', '"ledger":41880,"ledger":41880')],
  ["a member twice with two values", replaced('"v":1,', '"v":1,"seq":9,')],
  ["an unknown member", replaced('"order":"wo-7"', '"order":"wo-7","extra":1')],
  ["an unknown member inside", replaced('"production":true', '"production":true,"extra":1')],
  ["a __proto__ member", replaced('"order":"wo-7"', '"__proto__":{"order":"wo-7"}')],
  ["a constructor member", replaced('"order":"wo-7"', '"constructor":{"prototype":{}}')],
  ["a missing member", replaced('"caSha256":', '"ca":')],
  ["an escaped letter", replaced("board-1", "\\u0062oard-1")],
  ["a letter beyond ASCII, not escaped", replaced("board-1", "b\u00f6ard")],
  ["a number as 1.0", replaced('"ledger":41880', '"ledger":41880.0')],
  ["a number with an exponent", replaced('"ledger":41880', '"ledger":4188e1')],
  ["a negative number", replaced('"ledger":41880', '"ledger":-1')],
  ["a number beyond 2^53", replaced('"ledger":41880', '"ledger":9007199254740993')],
  ["a number as text", replaced('"ledger":41880', '"ledger":"41880"')],
  ["null", replaced('"order":"wo-7"', '"order":null')],
  ["upper-case hex", replaced(hex("a"), hex("A"))],
  ["a short hash", replaced(hex("a"), "a")],
  ["an upper-case uuid", replaced("11111111-2222-4333-8444-555555555555", "AAAAAAAA-2222-4333-8444-555555555555")],
  ["another version", replaced('"v":1', '"v":2')],
  ["an unknown kind", replaced('"kind":"registration"', '"kind":"toString"')],
  ["another kind's name", replaced('"kind":"registration"', '"kind":"unissued"')],
  ["a time without milliseconds", replaced("02:35:11.123Z", "02:35:11Z")],
  ["an array", "[]\n"],
  ["a string", '"registration"\n'],
  ["null alone", "null\n"],
  ["nothing", "\n"],
  ["an object without members", "{}\n"],
  ["deep nesting", `${"[".repeat(8_000)}${"]".repeat(8_000)}\n`],
  ["more than 16 KiB", `${line.slice(0, -2)}${" ".repeat(MAX_RECORD_BYTES)}}\n`],
];

describe("log: record codec", () => {
  it("STORE-CHAIN encodes a registration to fixed bytes in a fixed order", () => {
    assert.equal(line, vectorLine);
    assert.equal(lineHash(line), "0c0aa2a50dde9d4c0836ad8512c19a9ee50edee88e65d7e1f108c934ee5c7cf7");
  });

  it("STORE-CHAIN parses every kind back from its line", () => {
    for (const draft of everyKind) {
      const encoded = encodeRecord(header, draft);
      assert.deepEqual(parseRecord(encoded), { v: 1, kind: draft.kind, ...header, ...draft.body });
      assert.deepEqual(readHeader(encoded), { v: 1, kind: draft.kind, ...header });
    }
    assert.deepEqual(new Set(everyKind.map(({ kind }) => kind)), new Set(RECORD_KINDS));
  });

  it(`STORE-CHAIN refuses ${hostile.length} lines that are not in the one exact form`, () => {
    for (const [what, bytes] of hostile) {
      assert.throws(() => parseRecord(bytes), { name: "Refusal", control: "STORE-CHAIN", code: "malformed" }, what);
    }
    assert.equal(({} as { order?: string }).order, undefined, "no prototype was touched");
  });

  it("STORE-CHAIN refuses every line that differs in one character, or parses it to what it says", () => {
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.integer({ min: 0, max: 0x7f }), (at, code) => {
        const mutant = line.slice(0, at) + String.fromCharCode(code) + line.slice(at + 1);
        let again: string | undefined;
        try {
          const { v: _v, kind, log, seq, prev, at: time, ...body } = parseRecord(mutant);
          again = encodeRecord({ log, seq, prev, at: time }, { kind, body } as RecordDraft);
        } catch (error) {
          assert.equal((error as Error).name, "Refusal");
        }
        assert.ok(again === undefined || again === mutant);
      }),
      { numRuns: 3_000 },
    );
  });

  it("STORE-CHAIN keeps any text, in ASCII, through the line and back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (reason) => {
        const encoded = encodeRecord(header, { kind: "void", body: { registration: 3, reason, by } });
        assert.match(encoded, /^[ -~]+\n$/);
        const record = parseRecord(encoded);
        assert.ok(record.kind === "void" && record.reason === reason);
      }),
    );
  });

  it("STORE-CHAIN refuses to encode what does not fit: a record over 16 KiB, a member too many, a wrong type", () => {
    const malformed = { control: "STORE-CHAIN", code: "malformed" };
    const reason = "r".repeat(MAX_RECORD_BYTES - 300);
    const encode = (body: object) => encodeRecord(header, { kind: "void", body } as RecordDraft);
    assert.throws(() => encode({ registration: 3, reason: `${reason}${"r".repeat(300)}`, by }), malformed);
    assert.ok(encode({ registration: 3, reason, by }).length <= MAX_RECORD_BYTES);
    assert.throws(() => encode({ registration: 3, reason, by, extra: 1 }), malformed);
    assert.throws(() => encode({ registration: "3", reason, by }), malformed);
    assert.throws(() => encodeRecord(header, { kind: "act", body: { act: "constructor" } } as never), malformed);
  });
});
