import assert from "node:assert/strict";
import fc from "fast-check";
import { KEY_LABELS } from "../../src/hsm/messages.ts";
import {
  encodeLedgerLine,
  type LedgerLine,
  MAX_LINE_BYTES,
  PROFILES,
  parseLedgerLine,
} from "../../src/signer/ledger-line.ts";

const sha256Hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const plain = { noNullPrototype: true } as const;
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const common = {
  n: number,
  prev: sha256Hex,
  at: fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true }).map((date) => date.toISOString()),
  certificates: fc.nat(),
  head: fc.record({ seq: number, hash: sha256Hex }, plain),
};
const signature = fc.record(
  {
    ...common,
    profile: fc.constantFrom(...PROFILES.filter((profile) => profile !== "head" && profile !== "epoch")),
    signed: fc.record({ key: fc.constantFrom(...KEY_LABELS), tbs: sha256Hex }, plain),
  },
  plain,
);
const note = fc.record({ ...common, profile: fc.constantFrom("head" as const, "epoch" as const) }, plain);
const anyLine: fc.Arbitrary<LedgerLine> = fc.oneof(signature, note);

const LINE = encodeLedgerLine({
  n: 12,
  prev: "a".repeat(64),
  at: "2026-11-23T02:35:11.123Z",
  profile: "device",
  signed: { key: "device-ca", tbs: "b".repeat(64) },
  certificates: 11,
  head: { seq: 9, hash: "c".repeat(64) },
});

/** Each is one change of LINE that a lenient reader would let pass. */
const OTHER_FORMS: readonly (readonly [string, string])[] = [
  ["without its LF", LINE.slice(0, -1)],
  ["with CRLF", LINE.replace("\n", "\r\n")],
  ["with a space", LINE.replace('"n":12', '"n": 12')],
  ["with a number in another form", LINE.replace('"n":12', '"n":12.0')],
  ["with another version", LINE.replace('"v":1', '"v":2')],
  ["with members swapped", LINE.replace('"v":1,"n":12', '"n":12,"v":1')],
  ["with a further member", LINE.replace('"certificates"', '"x":1,"certificates"')],
  ["with a member twice", LINE.replace('"n":12', '"n":12,"n":12')],
  ["with upper-case hex", LINE.replace("a".repeat(64), "A".repeat(64))],
  ["with a short hash", LINE.replace("a".repeat(64), "a".repeat(63))],
  ["with an unknown profile", LINE.replace('"profile":"device"', '"profile":"root-ca"')],
  ["with an unknown key", LINE.replace('"key":"device-ca"', '"key":"root-ca"')],
  ["without the key", LINE.replace('"key":"device-ca",', "")],
  ["without the TBS hash", LINE.replace(`"tbs":"${"b".repeat(64)}",`, "")],
  ["of profile head with a key", LINE.replace('"profile":"device"', '"profile":"head"')],
  ["of profile epoch with a key", LINE.replace('"profile":"device"', '"profile":"epoch"')],
  ["with number 0", LINE.replace('"n":12', '"n":0')],
  ["with a negative count", LINE.replace('"certificates":11', '"certificates":-1')],
  ["with an escape", LINE.replace('"device"', '"\\u0064evice"')],
  ["with local time", LINE.replace("11.123Z", "11.123+00:00")],
  ["that is two lines", LINE + LINE],
];

describe("a line of the ledger", () => {
  it("SIGN-LEDGER reads back what it wrote, and no line is longer than the limit", () => {
    fc.assert(
      fc.property(anyLine, (line) => {
        const text = encodeLedgerLine(line);
        assert.deepEqual(parseLedgerLine(text), line);
        assert.ok(text.length <= MAX_LINE_BYTES);
      }),
    );
  });

  it("SIGN-LEDGER is the one line of JSON that is documented, members in this order", () => {
    assert.equal(
      LINE,
      `{"v":1,"n":12,"prev":"${"a".repeat(64)}","at":"2026-11-23T02:35:11.123Z","key":"device-ca","profile":"device",` +
        `"tbs":"${"b".repeat(64)}","certificates":11,"head":{"seq":9,"hash":"${"c".repeat(64)}"}}\n`,
    );
  });

  for (const [form, text] of OTHER_FORMS) {
    it(`SIGN-LEDGER refuses a line ${form}`, () => {
      assert.notEqual(text, LINE);
      assert.equal(parseLedgerLine(text), undefined);
    });
  }
});
