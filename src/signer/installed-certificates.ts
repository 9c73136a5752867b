import { readFile } from "node:fs/promises";
import { type CaCertificate, checkCanSign, parseCaCertificate } from "../x509/ca-certificate.ts";
import { parsePem } from "../x509/pem.ts";
import type { InstalledCertificates } from "./captive-keys.ts";

/**
 * Reads the CAs' certificates from their configured places.
 * @throws Refusal CERT-PROFILE when one is there and is no CA's certificate
 */
export async function readInstalled(paths: { readonly device_ca: string; readonly line_ca: string }) {
  const [deviceCa, lineCa] = await Promise.all([readCa(paths.device_ca), readCa(paths.line_ca)]);
  return { deviceCa, lineCa } satisfies InstalledCertificates;
}

/** Before the ceremony has installed it, the file is missing; any other problem is an error. */
async function readCa(path: string): Promise<CaCertificate | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const ca = parseCaCertificate(parsePem(text, "CERTIFICATE"));
  checkCanSign(ca);
  return ca;
}
