import assert from "node:assert/strict";
import { buildBundleTbs } from "../../src/x509/bundle-template.ts";
import type { CaCertificate } from "../../src/x509/ca-certificate.ts";
import { buildClientTbs, buildServerTbs } from "../../src/x509/line-template.ts";
import { makeCa, PLAIN_ORIGIN, type TestCa } from "./make-ca.ts";
import { FACTORY, p256Key } from "./make-csr.ts";
import { DAY_MS, makeLineCa, SERIAL } from "./make-tbs.ts";
import { type Bench, openBench } from "./openssl.ts";
import { assertRefused, refusalOf } from "./refusals.ts";

const NOW_MS = Date.now();
export const APPLIANCE = "site-1";

export const line = makeLineCa(APPLIANCE, NOW_MS);
export const lineCa: CaCertificate = line.ca;
/** The requester's key, and the token's own bundle-sign key. */
export const device = p256Key();
export const bundle = p256Key();
export const dates = { serial: SERIAL, notBeforeMs: NOW_MS, notAfterMs: NOW_MS + DAY_MS };
export const lineParts = { ...dates, appliance: APPLIANCE, spkiDer: device.spkiDer };

/** A device CA that openssl made, beside the line CA above. */
export async function openGateSite(): Promise<{ bench: Bench; site: TestCa; ca: CaCertificate }> {
  const bench = await openBench();
  const site = await makeCa(bench, PLAIN_ORIGIN);
  return { bench, site, ca: site.ca };
}

export function bundleTbs(ca: CaCertificate, spkiDer = bundle.spkiDer): Buffer {
  return buildBundleTbs(ca, { appliance: APPLIANCE, factory: FACTORY, spkiDer, serial: SERIAL });
}

export function serverTbs(names = ["airlock.local", "192.0.2.7", "2001:db8::7"]): Buffer {
  return buildServerTbs(lineCa, { ...lineParts, names });
}

export function clientTbs(): Buffer {
  return buildClientTbs(lineCa, { ...lineParts, role: "station", name: "line-3" });
}

export function gateRefuses(act: () => unknown): void {
  assertRefused(act, "SIGNER-GATE", "tbs");
}

/** Only SIGNER-GATE's own refusal counts; any other error fails the test. */
export function verdictOf(check: () => unknown): "accepted" | "refused" {
  try {
    check();
    return "accepted";
  } catch (error) {
    assert.equal(
      refusalOf(() => {
        throw error;
      }).control,
      "SIGNER-GATE",
    );
    return "refused";
  }
}
