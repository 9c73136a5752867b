import { Refusal } from "../refusal.ts";
import { checkSotaLine, isOneLine, type RawSotaLine, type SotaLine } from "./sota-line.ts";

/** What a device asked for, unchecked. */
export interface RawSotaRequest {
  readonly hardwareId: string;
  /** Empty: `/var/sota`. */
  readonly sotaConfigDir: string;
  /** In the order in which the device sent them. */
  readonly overrides: readonly RawSotaLine[];
}

/** What `renderSotaToml` takes; made by `checkSotaRequest` alone. */
export interface SotaRequest {
  readonly hardwareId: string;
  readonly configDir: string;
  readonly overrides: readonly SotaLine[];
}

const MAX_OVERRIDES = 64;
const MAX_HARDWARE_ID_CHARS = 128;
const MAX_DIRECTORY_CHARS = 256;
const DEFAULT_DIRECTORY = "/var/sota";

/**
 * Checks everything of a request that enters `sota.toml`, so that rendering cannot fail after a certificate is signed.
 * @throws Refusal REQUEST-FIELD, malformed
 */
export function checkSotaRequest(raw: RawSotaRequest): SotaRequest {
  const configDir = raw.sotaConfigDir === "" ? DEFAULT_DIRECTORY : raw.sotaConfigDir;
  if (raw.hardwareId === "") {
    throw malformed("hardware_id", "The request names no hardware id; set it in the device's options.");
  }
  if (!isQuotable(raw.hardwareId, MAX_HARDWARE_ID_CHARS)) {
    throw malformed(
      "hardware_id",
      "The hardware id must be at most 128 characters on one line, without quotation mark and backslash; correct the device's options.",
    );
  }
  if (!isQuotable(configDir, MAX_DIRECTORY_CHARS)) {
    throw malformed(
      "sota_config_dir",
      "The sota directory must be at most 256 characters on one line, without quotation mark and backslash; correct the device's options.",
    );
  }
  return { hardwareId: raw.hardwareId, configDir, overrides: checkOverrides(raw.overrides) };
}

function checkOverrides(raw: readonly RawSotaLine[]): SotaLine[] {
  if (raw.length > MAX_OVERRIDES) {
    throw malformed("overrides", "The request has more than 64 sota.toml overrides; send fewer.");
  }
  const seen = new Set<string>();
  return raw.map((entry) => {
    const line = checkSotaLine(entry, "overrides");
    // A space cannot stand in a bare key, so no two pairs share this text.
    const name = `${line.section} ${line.key}`;
    if (seen.has(name)) throw malformed("overrides", "The request overrides one sota.toml key twice; send it once.");
    seen.add(name);
    return line;
  });
}

/** The default lines put this text between TOML's quotation marks, where `"` and `\` would end or alter it. */
function isQuotable(text: string, maxChars: number): boolean {
  return text.length <= maxChars && !/["\\]/.test(text) && isOneLine(text);
}

function malformed(field: string, sentence: string): Refusal {
  return new Refusal("REQUEST-FIELD", "malformed", sentence, { field });
}
