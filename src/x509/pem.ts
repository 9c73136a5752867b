import type { ControlId } from "../controls.ts";
import { Refusal } from "../refusal.ts";

/** Caps that apply before anything is decoded, and the control that a wrong text is refused under. */
export interface PemLimits {
  /** Size of the decoded value in bytes. */
  readonly maxBytes?: number;
  readonly control?: ControlId;
  /** The request's field that the text came in. */
  readonly field?: string;
}

export const MAX_CSR_BYTES = 4_096;
export const MAX_CERTIFICATE_BYTES = 8_192;

const DEFAULTS: Readonly<Record<string, Required<PemLimits>>> = {
  "CERTIFICATE REQUEST": { maxBytes: MAX_CSR_BYTES, control: "CSR-KEY", field: "csr" },
  CERTIFICATE: { maxBytes: MAX_CERTIFICATE_BYTES, control: "CERT-PROFILE", field: "certificate" },
};
const OTHER: Required<PemLimits> = { maxBytes: 65_536, control: "REQUEST-FIELD", field: "" };

const LINES = /^(?:[A-Za-z0-9+/=]{1,76}\r?\n)+$/;
const EDGE = /^[ \t\r\n]*$/;

/**
 * Decodes a text that is one PEM block of this label and nothing else (RFC 7468): LF or CRLF, lines of at most 76
 * characters, canonical base64, only white space around it. Defaults: a CERTIFICATE REQUEST of at most 4,096 bytes,
 * a CERTIFICATE of at most 8,192, anything else 65,536.
 * @throws Refusal `malformed`
 */
export function parsePem(text: string, label: string, limits: PemLimits = {}): Buffer {
  const { maxBytes, control, field } = { ...(DEFAULTS[label] ?? OTHER), ...limits };
  const refuse = (sentence: string) => new Refusal(control, "malformed", sentence, { field });
  // Base64 and line ends stay below twice the size: an oversized text is not even scanned.
  if (text.length > 2 * maxBytes + 256) throw refuse("The PEM text is too large: send one block and nothing else.");
  const body = readBody(text, label);
  if (body === undefined) {
    throw refuse("The text is not exactly one PEM block of the expected type: send the file as the tool wrote it.");
  }
  const base64 = body.replace(/[\r\n]+/g, "");
  const bytes = Buffer.from(base64, "base64");
  if (bytes.length === 0 || bytes.toString("base64") !== base64) {
    throw refuse("The PEM block is not canonical base64: send the file as the tool wrote it.");
  }
  if (bytes.length > maxBytes) throw refuse("The PEM block is too large: send one block and nothing else.");
  return bytes;
}

/** The lines between the two boundaries, each with its line end. */
function readBody(text: string, label: string): string | undefined {
  const begin = `-----BEGIN ${label}-----`;
  const start = text.indexOf(begin);
  const end = text.indexOf(`-----END ${label}-----`);
  if (start < 0 || end < start) return undefined;
  const after = text.slice(end + begin.length - 2);
  const inner = /^\r?\n([^-]*)$/.exec(text.slice(start + begin.length, end))?.[1];
  if (!EDGE.test(text.slice(0, start)) || !EDGE.test(after)) return undefined;
  return inner !== undefined && LINES.test(inner) ? inner : undefined;
}

/** One PEM block with 64 columns and a final LF. */
export function encodePem(der: Uint8Array, label: string): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString("base64");
  let lines = "";
  for (let i = 0; i < base64.length; i += 64) lines += `${base64.slice(i, i + 64)}\n`;
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
}
