import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { encodeModules } from "../../../src/transfer/paper/qr-code.ts";
import { CODE_OVERHEAD, encodeReceiptCodes } from "../../../src/transfer/paper/receipt-codes.ts";
import { renderReceiptPages } from "../../../src/transfer/paper/receipt-page.ts";
import { createReceiptScan } from "../../../src/transfer/paper/receipt-scan.ts";
import { terminalCapacity, terminalQrLines } from "../../../src/transfer/paper/terminal-qr.ts";
import type { Receipt } from "../../../src/transfer/receipt.ts";
import { type Pixels, readQrCodes } from "../../support/read-qr.ts";

const RECEIPT: Receipt = {
  log: "a7f3c2e1",
  importer: "EU1",
  number: 58,
  prev: "b".repeat(64),
  bundles: [{ bundle: 38, id: "c".repeat(64) }],
  exceptions: [],
  gaps: [],
  missing: [],
  thru: { seq: 43_120, hash: "a".repeat(64) },
  at: "2026-11-23T07:40:00.000Z",
};

function render(bytes: number) {
  const der = randomBytes(bytes);
  const sha256 = createHash("sha256").update(der).digest("hex");
  return { der, pages: renderReceiptPages({ receipt: RECEIPT, der, sha256, appliance: "FRA2-REG-01" }) };
}

/** Lines of half blocks as pixels, each module eight wide. */
function rasterise(lines: readonly string[]): Pixels {
  const scale = 8;
  const light = (x: number, y: number) => {
    const cell = lines[y >> 1]?.[x] ?? " ";
    return cell === "█" || cell === ((y & 1) === 0 ? "▀" : "▄");
  };
  const [width, height] = [(lines[0]?.length ?? 0) * scale, lines.length * 2 * scale];
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data.fill(
        light(Math.floor(x / scale), Math.floor(y / scale)) ? 255 : 0,
        (y * width + x) * 4,
        (y * width + x) * 4 + 3,
      );
    }
  }
  return { width, height, data };
}

describe("transfer/paper: pages", function () {
  this.timeout(30_000);

  it("RECEIPT-SIG prints a usual receipt as one code, which another decoder reads back to the same bytes", async () => {
    const { der, pages } = render(560);
    assert.equal(pages.length, 1);
    const texts = await readQrCodes(pages[0]?.png ?? Buffer.alloc(0));
    assert.deepEqual(texts, encodeReceiptCodes(der, 58));
    assert.deepEqual(createReceiptScan().take(texts[0] ?? ""), { result: "complete", der, number: 58, parts: 1 });
  });

  it("RECEIPT-SIG prints a long receipt as several codes on several pages, all of which are read back", async () => {
    const { der, pages } = render(3_700);
    assert.equal(pages.length, 2);
    const texts = await Promise.all(pages.map(({ png }) => readQrCodes(png)));
    assert.deepEqual(texts.flat().sort(), encodeReceiptCodes(der, 58).sort());
    const scan = createReceiptScan();
    assert.equal(
      texts
        .flat()
        .map((text) => scan.take(text).result)
        .at(-1),
      "complete",
    );
  });

  it("RECEIPT-SIG says on the page whose it is, what it covers and what to type, and draws the very same code", () => {
    const { der, pages } = render(560);
    const svg = pages[0]?.svg ?? "";
    assert.match(svg, /<title>Airlock receipt 58<\/title>/);
    for (const words of [
      "For appliance FRA2-REG-01, log a7f3c2e1",
      "Covers bundle 38; everything through record 43,120",
      "airlock-export receipt scan",
      "1 of 1",
    ]) {
      assert.ok(svg.includes(words), words);
    }
    const [code = ""] = encodeReceiptCodes(der, 58);
    const dark = encodeModules(code, "print").flat().filter(Boolean).length;
    const drawn = [...svg.matchAll(/h(\d+)v1/g)].reduce((sum, [, run]) => sum + Number(run), 0);
    assert.equal(drawn, dark);
  });

  for (const [columns, rows] of [
    [80, 24],
    [80, 60],
    [200, 60],
  ] as const) {
    it(`RECEIPT-SIG shows a receipt on a terminal of ${columns} by ${rows}, in codes that fit and are read back`, async () => {
      const der = randomBytes(560);
      const capacity = terminalCapacity(columns, rows) ?? 0;
      const texts: string[] = [];
      for (const code of encodeReceiptCodes(der, 58, capacity)) {
        assert.ok(code.length <= capacity + CODE_OVERHEAD);
        const lines = terminalQrLines(code, false);
        assert.ok(lines.length <= rows - 2 && lines.every((line) => line.length <= columns));
        texts.push(...(await readQrCodes(rasterise(lines))));
      }
      const scan = createReceiptScan();
      assert.equal(texts.map((text) => scan.take(text).result).at(-1), "complete");
    });
  }

  it("RECEIPT-SIG shows no code on a terminal that is too small for one", () => {
    assert.equal(terminalCapacity(30, 12), undefined);
  });
});
