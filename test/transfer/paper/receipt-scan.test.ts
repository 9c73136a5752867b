import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { scanSentence } from "../../../src/cli/export/receipt-scan.ts";
import { encodeBase32Hex, parseBase32Hex } from "../../../src/transfer/paper/base32hex.ts";
import { encodeReceiptCodes } from "../../../src/transfer/paper/receipt-codes.ts";
import { createReceiptScan } from "../../../src/transfer/paper/receipt-scan.ts";

const DER = randomBytes(1_900);
const OTHER = randomBytes(1_900);
const CODES = encodeReceiptCodes(DER, 58);
const code = (part: number) => CODES[part - 1] ?? "";

/** A US keyboard's characters as an AZERTY keyboard types them. */
function asFrench(text: string): string {
  const from = "0123456789.ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const to = "à&é\"'(-è_ç:QBCDEFGHIJKL?NOPARSTUVZXYW";
  return [...text].map((character) => to[from.indexOf(character)] ?? character).join("");
}

function takeAll(...lines: string[]) {
  const scan = createReceiptScan();
  return lines.map((line) => scan.take(line)).at(-1);
}

describe("transfer/paper: codes and scanning", () => {
  it("RECEIPT-SIG base32hex is that of RFC 4648 and reads back every byte string", () => {
    assert.equal(encodeBase32Hex(Buffer.from("foobar")), "CPNMUOJ1E8");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.deepEqual(parseBase32Hex(encodeBase32Hex(bytes)), Buffer.from(bytes));
      }),
    );
    // A last digit with bits that belong to no byte, a digit too many, a digit of another alphabet.
    for (const bad of ["01", "CPNMUOJ1E9", "C", "CPNM=", "cpnm", "WX"]) assert.equal(parseBase32Hex(bad), undefined);
  });

  it("RECEIPT-SIG codes fit QR's alphanumeric mode and keep to keys that QWERTY and QWERTZ share", () => {
    assert.equal(CODES.length, 4);
    for (const text of CODES) assert.match(text, /^[0-9A-V.]{600,1100}$/);
  });

  it("RECEIPT-SIG puts a receipt together from its parts in any order, scanned as often as people do", () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([1, 2, 3, 4], { minLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 2 })),
        (order, repeats) => {
          const begun = order.slice(0, 3);
          const again = repeats.map((at) => begun[at] ?? 1);
          const taken = takeAll(...[...begun, ...again, ...order.slice(3)].map(code));
          assert.deepEqual(taken, { result: "complete", der: DER, number: 58, parts: 4 });
        },
      ),
    );
  });

  it("RECEIPT-SIG takes lower case, blanks around it and no empty line", () => {
    assert.deepEqual(takeAll(...[1, 2, 3].map(code), "", `  ${code(4).toLowerCase()}\r`)?.result, "complete");
  });

  it("RECEIPT-SIG refuses a code with any one character changed", () => {
    fc.assert(
      fc.property(
        fc.nat(code(1).length - 1),
        fc.constantFrom(..."0123456789ABCDEFGHIJKLMNOPQRSTUV."),
        (at, character) => {
          fc.pre(code(1)[at] !== character);
          const wrong = code(1).slice(0, at) + character + code(1).slice(at + 1);
          assert.match(createReceiptScan().take(wrong).result, /^(damaged|foreign)$/);
        },
      ),
    );
  });

  it("RECEIPT-SIG notices parts that are whole one by one and do not make the receipt that they name", () => {
    const body = code(4)
      .slice(0, -8)
      .replace(/.$/, (digit) => (digit === "0" ? "1" : "0"));
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    const forged = `${body}.${encodeBase32Hex(sum)}`;
    const scan = createReceiptScan();
    const results = [code(1), code(2), code(3), forged].map((text) => scan.take(text).result);
    assert.deepEqual(results, ["part", "part", "part", "contradiction"]);
    assert.match(scanSentence({ result: "contradiction" }), /The parts do not belong together\. Nothing was taken/);
    assert.deepEqual(scan.missing(), []);
  });

  const sentences: [string, string, string[], RegExp][] = [
    ["a part", "part", [code(2)], /^Part 2 of 4 of receipt 58\. Now scan parts 1, 3, 4\.$/],
    ["the same part again", "repeat", [code(2), code(2)], /^Part 2 was scanned before\. Now scan parts 1, 3, 4\.$/],
    ["half a code", "damaged", [code(1).slice(0, 200)], /^Only part of the code arrived, .*\(200 characters\)/],
    ["a French keyboard", "layout", [asFrench(code(1))], /types for another keyboard \(French\)/],
    [
      "a French keyboard in lower case",
      "layout",
      [asFrench(code(1)).toLowerCase()],
      /types for another keyboard \(French\)/,
    ],
    ["a carton's bar code", "foreign", ["4006381333931"], /not a receipt's code/],
    ["a web address", "foreign", ["https://example.org/q?x=1"], /not a receipt's code/],
    [
      "another receipt's part",
      "other-receipt",
      [code(1), encodeReceiptCodes(OTHER, 59)[1] ?? ""],
      /part 2 of another receipt \(number 59\)\. Receipt 58 is begun/,
    ],
  ];
  for (const [what, result, lines, sentence] of sentences) {
    it(`RECEIPT-SIG says in its own words what is wrong with ${what}, and keeps what it has`, () => {
      const scan = createReceiptScan();
      const taken = lines.map((line) => scan.take(line)).at(-1);
      assert.equal(taken?.result, result);
      assert.match(scanSentence(taken ?? { result: "empty" }), sentence);
      assert.equal([1, 2, 3, 4].map((part) => scan.take(code(part)).result).at(-1), "complete");
    });
  }
});
