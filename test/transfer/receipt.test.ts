import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeReceiptText,
  parseReceiptText,
  REJECT_CODES,
  type Receipt,
  type ReceiptException,
  receiptFileName,
} from "../../src/transfer/receipt.ts";

const HASH = "a".repeat(64);

const RECEIPT: Receipt = {
  log: "a7f3c2e1",
  importer: "EU1",
  number: 58,
  prev: "b".repeat(64),
  bundles: [
    { bundle: 36, id: HASH },
    { bundle: 38, id: "c".repeat(64) },
  ],
  exceptions: [
    { first: 12, last: 12, outcome: "delivered" },
    { first: 42511, last: 42511, outcome: "rejected", code: "E_NAME_TAKEN" },
    { first: 42600, last: 42700, outcome: "duplicate" },
  ],
  gaps: [{ first: 40795, last: 41872 }],
  missing: [37],
  thru: { seq: 40794, hash: HASH },
  at: "2026-11-23T07:40:00.000Z",
};

const TEXT = `airlock-receipt 1
log a7f3c2e1
importer EU1
number 58
prev ${"b".repeat(64)}
bundle 36 ${HASH}
bundle 38 ${"c".repeat(64)}
except 12 delivered
except 42511 rejected E_NAME_TAKEN
except 42600-42700 duplicate
gap 40795-41872
missing 37
thru 40794 ${HASH}
at 2026-11-23T07:40:00.000Z
`;

describe("transfer/receipt", () => {
  it("RECEIPT-RANGE writes and reads the one canonical text", () => {
    assert.equal(encodeReceiptText(RECEIPT), TEXT);
    assert.deepEqual(parseReceiptText(TEXT), RECEIPT);
  });

  it("RECEIPT-RANGE reads back every receipt that it can write", () => {
    fc.assert(
      fc.property(arbitraryReceipt(), (receipt) => {
        assert.deepEqual(parseReceiptText(encodeReceiptText(receipt)), receipt);
      }),
    );
  });

  it("RECEIPT-RANGE accepts no text but the canonical one, whatever byte is changed", () => {
    fc.assert(
      fc.property(fc.nat(TEXT.length - 1), fc.integer({ min: 0, max: 127 }), (at, code) => {
        const other = TEXT.slice(0, at) + String.fromCharCode(code) + TEXT.slice(at + 1);
        const read = parseReceiptText(other);
        assert.equal(read === undefined ? other : encodeReceiptText(read), other);
      }),
      { numRuns: 2000 },
    );
  });

  const altered: Record<string, string> = {
    "another version": TEXT.replace("receipt 1", "receipt 2"),
    "lines in another order": TEXT.replace(/(log .*\n)(importer .*\n)/, "$2$1"),
    "a line missing": TEXT.replace(/thru .*\n/, ""),
    "a line twice": TEXT.replace(/(number .*\n)/, "$1$1"),
    "an unknown line": TEXT.replace("thru", "colour red\nthru"),
    CRLF: TEXT.replaceAll("\n", "\r\n"),
    "no final line end": TEXT.slice(0, -1),
    "something after the end": `${TEXT}\n`,
    "bundles that do not ascend": TEXT.replace("bundle 38", "bundle 36"),
    "exceptions that overlap": TEXT.replace("42600-42700", "42511-42700"),
    "a range that runs backwards": TEXT.replace("42600-42700", "42700-42600"),
    "a range of one in the long form": TEXT.replace("except 12 ", "except 12-12 "),
    "a leading zero": TEXT.replace("number 58", "number 058"),
    "a rejection without a code": TEXT.replace(" E_NAME_TAKEN", ""),
    "an unknown code": TEXT.replace("E_NAME_TAKEN", "E_WHATEVER"),
    "a code without a rejection": TEXT.replace("duplicate", "duplicate E_DENIED"),
    "a day that does not exist": TEXT.replace("2026-11-23", "2026-11-31"),
    "an importer with a path": TEXT.replace("EU1", "../EU"),
    "too many exceptions": TEXT.replace(
      /except[\s\S]*?gap/,
      `${Array.from({ length: 141 }, (_, i) => `except ${i * 2 + 1} duplicate\n`).join("")}gap`,
    ),
  };
  for (const [what, text] of Object.entries(altered)) {
    it(`RECEIPT-RANGE refuses a text with ${what}`, () => {
      assert.notEqual(text, TEXT);
      assert.equal(parseReceiptText(text), undefined);
    });
  }

  it("RECEIPT-SEQNO names the file for FAT", () => {
    assert.equal(receiptFileName({ log: "a7f3c2e1", importer: "eu1", number: 58 }), "ALR_A7F3C2E1_EU1_00058");
  });
});

function arbitraryReceipt(): fc.Arbitrary<Receipt> {
  const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
  const ranges = fc.uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { maxLength: 40 }).map((numbers) => {
    const sorted = numbers.sort((a, b) => a - b);
    return sorted.flatMap((first, i) => (i % 2 === 0 ? [{ first, last: sorted[i + 1] ?? first }] : []));
  });
  const numbers = ranges.map((list) => list.map(({ first }) => first));
  const verdict = fc.oneof(
    fc.constantFrom("delivered", "duplicate", "superseded", "voided", "pending").map((outcome) => ({ outcome })),
    fc.constantFrom(...REJECT_CODES).map((code) => ({ outcome: "rejected", code })),
  ) as fc.Arbitrary<Pick<ReceiptException, "outcome" | "code">>;
  return fc.record(
    {
      log: fc.stringMatching(/^[0-9a-f]{8}$/),
      importer: fc.stringMatching(/^[A-Za-z0-9]{1,12}$/),
      number: fc.integer({ min: 1, max: 99_999 }),
      prev: hash,
      bundles: fc.tuple(numbers, hash).map(([list, id]) => list.map((bundle) => ({ bundle, id }))),
      exceptions: fc
        .tuple(ranges, fc.array(verdict, { minLength: 20, maxLength: 20 }))
        .map(([list, verdicts]) =>
          list.map((range, i) => ({ ...range, ...(verdicts[i] ?? { outcome: "pending" as const }) })),
        ),
      gaps: ranges,
      missing: numbers,
      thru: fc.tuple(fc.nat(1_000_000), hash).map(([seq, thruHash]) => ({ seq, hash: thruHash })),
      at: fc
        .date({ min: new Date(0), max: new Date("2199-01-01"), noInvalidDate: true })
        .map((date) => date.toISOString()),
    },
    { noNullPrototype: true },
  );
}
