import { checkWords } from "../check-words.ts";
import type { Receipt } from "../receipt.ts";
import { encodePng } from "./png.ts";
import { encodeModules, type Modules } from "./qr-code.ts";
import { encodeReceiptCodes } from "./receipt-codes.ts";

/** One page to print: the same codes as a drawing with words around them, and as a picture. */
export interface ReceiptPage {
  readonly svg: string;
  readonly png: Buffer;
}

/** A receipt to print. */
export interface PrintedReceipt {
  readonly receipt: Receipt;
  readonly der: Buffer;
  /** SHA-256 of the CMS, hex. */
  readonly sha256: string;
  readonly appliance: string;
}

interface Symbol {
  readonly part: number;
  readonly parts: number;
  readonly modules: Modules;
}

const CODES_PER_PAGE = 4;
/** Quiet zone in modules (ISO/IEC 18004 §9.1). */
const QUIET = 4;

/** The pages of a receipt: nearly always one, with one code on it. */
export function renderReceiptPages(printed: PrintedReceipt): ReceiptPage[] {
  const texts = encodeReceiptCodes(printed.der, printed.receipt.number);
  const symbols = texts.map((text, i) => ({ part: i + 1, parts: texts.length, modules: encodeModules(text, "print") }));
  const count = Math.ceil(symbols.length / CODES_PER_PAGE);
  return Array.from({ length: count }, (_, i) => {
    const shown = symbols.slice(i * CODES_PER_PAGE, (i + 1) * CODES_PER_PAGE);
    return { svg: encodePage(printed, shown, { page: i + 1, pages: count }), png: encodePicture(shown) };
  });
}

/** Six pixels a module at 300 dpi are half a millimetre, which every hand scanner reads. */
const SCALE = 6;
const PIXELS_PER_METRE = 11_811;

function encodePicture(symbols: readonly Symbol[]): Buffer {
  const edge = Math.max(...symbols.map(({ modules }) => modules.length)) + 2 * QUIET;
  const columns = symbols.length > 1 ? 2 : 1;
  const isDark = (x: number, y: number) => {
    const symbol = symbols[Math.floor(y / edge) * columns + Math.floor(x / edge)];
    return symbol?.modules[(y % edge) - QUIET]?.[(x % edge) - QUIET] ?? false;
  };
  const [width, height] = [edge * columns, edge * Math.ceil(symbols.length / columns)];
  const rows: boolean[][] = [];
  for (let y = 0; y < height; y++) {
    const row = Array.from({ length: width * SCALE }, (_, x) => isDark(Math.floor(x / SCALE), y));
    for (let i = 0; i < SCALE; i++) rows.push(row);
  }
  return encodePng(rows, PIXELS_PER_METRE);
}

/** A4 in millimetres; what matters lies within Letter's edges too. */
const PAGE = { width: 210, height: 297, margin: 20, top: 92 };

function encodePage(
  { receipt, sha256, appliance }: PrintedReceipt,
  symbols: readonly Symbol[],
  { page, pages }: { page: number; pages: number },
): string {
  const { log, importer, number, thru, at } = receipt;
  const title = `Airlock receipt ${number}${pages > 1 ? `, page ${page} of ${pages}` : ""}`;
  const lines = [
    `For appliance ${appliance}, log ${log}`,
    `From importer ${importer}, ${at.slice(0, 16).replace("T", " ")} UTC`,
    `Covers ${describeBundles(receipt)}; everything through record ${thru.seq.toLocaleString("en-US")}`,
    `Check words  ${checkWords(sha256)}`,
  ];
  const isSingle = pages === 1 && symbols.length === 1;
  const how = [
    `Inside, run  airlock-export receipt scan  and scan ${isSingle ? "the code" : "every code, in any order"}.`,
    "Nothing here is secret.",
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${PAGE.width}mm" height="${PAGE.height}mm" viewBox="0 0 ${PAGE.width} ${PAGE.height}" font-family="sans-serif" fill="#000">`,
    `<title>${title}</title>`,
    `<rect width="${PAGE.width}" height="${PAGE.height}" fill="#fff"/>`,
    encodeText(PAGE.margin, 28, 8, title, ' font-weight="bold"'),
    ...lines.map((line, i) => encodeText(PAGE.margin, 40 + i * 7, 4.2, line)),
    ...how.map((line, i) => encodeText(PAGE.margin, 44 + (lines.length + i) * 7, 4.2, line)),
    ...symbols.map((symbol, i) => encodeSymbol(symbol, i, symbols.length)),
    "</svg>\n",
  ].join("\n");
}

function describeBundles({ bundles, missing }: Receipt): string {
  const numbers = bundles.map(({ bundle }) => bundle);
  const [first, last] = [numbers[0], numbers.at(-1)];
  const isDense = first !== undefined && last !== undefined && last - first + 1 === numbers.length;
  const covered =
    numbers.length === 0
      ? "no new bundle"
      : numbers.length > 2 && isDense
        ? `bundles ${first} to ${last}`
        : `bundle ${numbers.slice(0, 6).join(", ")}${numbers.length > 6 ? " …" : ""}`;
  return missing.length === 0 ? covered : `${covered} (bundle ${missing.slice(0, 4).join(", ")} is missing)`;
}

/** One code large, or two in a row; each with its part below. */
function encodeSymbol({ part, parts, modules }: Symbol, index: number, count: number): string {
  const edge = count === 1 ? 110 : 82;
  const x = count === 1 ? (PAGE.width - edge) / 2 : PAGE.margin + (index % 2) * (edge + 6);
  const y = PAGE.top + Math.floor(index / 2) * (edge + 14);
  const size = modules.length + 2 * QUIET;
  const path = modules.map((row, at) => encodeRow(row, at + QUIET)).join("");
  return [
    `<svg x="${x}" y="${y}" width="${edge}" height="${edge}" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path d="${path}"/></svg>`,
    encodeText(x + edge / 2, y + edge + 4, 5, `${part} of ${parts}`, ' text-anchor="middle"'),
  ].join("\n");
}

/** Runs of dark modules as horizontal bars. */
function encodeRow(row: readonly boolean[], y: number): string {
  const bits = row.map((isDark) => (isDark ? "1" : "0")).join("");
  return [...bits.matchAll(/1+/g)]
    .map(({ index, 0: run }) => `M${index + QUIET} ${y}h${run.length}v1h-${run.length}z`)
    .join("");
}

function encodeText(x: number, y: number, size: number, text: string, more = ""): string {
  const safe = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text x="${x}" y="${y}" font-size="${size}"${more} xml:space="preserve">${safe}</text>`;
}
