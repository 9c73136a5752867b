import { encodeQR } from "qr";

/** A QR code without its quiet zone: rows of modules, true for dark. */
export type Modules = readonly (readonly boolean[])[];

/** `print`: 15 % of it may be soiled. `screen`: nothing soils a screen, and it has little room. */
export type QrUse = "print" | "screen";

const BORDER = 1;

/** A receipt's code as a QR symbol in alphanumeric mode (ISO/IEC 18004, 11 bits for two characters). */
export function encodeModules(text: string, use: QrUse): Modules {
  const rows = encodeQR(text, "raw", {
    ecc: use === "print" ? "medium" : "low",
    encoding: "alphanumeric",
    border: BORDER,
  });
  return rows.slice(BORDER, -BORDER).map((row) => row.slice(BORDER, -BORDER));
}
