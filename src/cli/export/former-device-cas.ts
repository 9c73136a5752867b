import { isIssuedBy } from "../../issuance/check-device-ca.ts";
import type { LogRecord } from "../../log/record.ts";
import { parseRecord } from "../../log/record-codec.ts";
import { Refusal } from "../../refusal.ts";
import { type CaCertificate, checkCanSign, parseCaCertificate } from "../../x509/ca-certificate.ts";
import { parsePem } from "../../x509/pem.ts";

/**
 * Device CAs that the records say were in use before another was installed: after a rotation a bundle may hold
 * certificates of both, and only the newer one is in its signature. They count as far as the root issued them.
 * @param records RECORDS.NDJSON, unverified
 */
export function formerDeviceCas(records: Buffer, root: CaCertificate): CaCertificate[] {
  const lines = records.toString("latin1").match(/[^\n]*"act":"install-device-ca"[^\n]*\n/g) ?? [];
  return lines.flatMap((line) => readFormer(line) ?? []).filter((ca) => isIssuedBy(ca, root));
}

/** What cannot be read here is refused when the bundle is verified. */
function readFormer(line: string): CaCertificate | undefined {
  try {
    const record: LogRecord = parseRecord(line);
    if (record.kind !== "act" || record.act !== "install-device-ca") return undefined;
    const ca = parseCaCertificate(parsePem(record.former.pem, "CERTIFICATE"));
    checkCanSign(ca);
    return ca;
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
