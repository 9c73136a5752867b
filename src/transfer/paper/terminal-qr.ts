import { encodeModules, type Modules } from "./qr-code.ts";
import { CODE_OVERHEAD } from "./receipt-codes.ts";

/** A light margin on every side; ISO/IEC 18004 asks for four modules, cameras on screens are content with two. */
const QUIET = 2;

/** ISO/IEC 18004 Table 7: alphanumeric characters in versions 1 to 16 at level L. */
const CAPACITY = [25, 47, 77, 114, 154, 195, 224, 279, 335, 395, 468, 535, 619, 667, 758, 854];

/** Characters of data in a code that fits a terminal; undefined when the terminal is too small for any. */
export function terminalCapacity(columns: number, rows: number): number | undefined {
  // Two modules share a character cell; a line above and one below are for words.
  const modules = Math.min(columns, 2 * (rows - 3)) - 2 * QUIET;
  const version = Math.min(CAPACITY.length, Math.floor((modules - 17) / 4));
  const data = (CAPACITY[version - 1] ?? 0) - CODE_OVERHEAD;
  return data < 64 ? undefined : data;
}

/**
 * A code as lines of half blocks. Light is drawn and dark left out, which is right for light text on a dark screen;
 * with `isColoured` both colours are set and it is right on any.
 */
export function terminalQrLines(text: string, isColoured: boolean): string[] {
  const rows = addMargin(encodeModules(text, "screen"));
  const lines: string[] = [];
  for (let y = 0; y < rows.length; y += 2) {
    const cells = (rows[y] ?? []).map((isDark, x) => halfBlock(!isDark, rows[y + 1]?.[x] === false)).join("");
    lines.push(isColoured ? `\x1b[97;40m${cells}\x1b[0m` : cells);
  }
  return lines;
}

function halfBlock(isUpperLight: boolean, isLowerLight: boolean): string {
  if (isUpperLight) return isLowerLight ? "█" : "▀";
  return isLowerLight ? "▄" : " ";
}

function addMargin(modules: Modules): boolean[][] {
  const width = modules.length + 2 * QUIET;
  const blank = () => Array.from({ length: QUIET }, () => new Array<boolean>(width).fill(false));
  const side = new Array<boolean>(QUIET).fill(false);
  return [...blank(), ...modules.map((row) => [...side, ...row, ...side]), ...blank()];
}
