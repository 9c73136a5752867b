import type { KeyLabel, LedgerState } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import {
  checkBundleAttributes,
  checkDeviceCaCsrInfo,
  checkLineCaTbs,
  classifyDeviceCaTbs,
  classifyLineTbs,
} from "../x509/profiles.ts";
import type { CaptiveKeys, InstalledCertificates, KeyUse } from "./captive-keys.ts";
import type { Profile } from "./ledger-line.ts";

/** What the gate knows when it decides. */
export interface GateKnowledge {
  readonly keys: CaptiveKeys;
  readonly installed: InstalledCertificates;
  /** The only OU that devices may have. */
  readonly factory: string;
}

/**
 * SIGNER-GATE: whole to-be-signed bytes in, the name of a known profile out; everything else is refused before the
 * token hears of it.
 * @throws Refusal SIGNER-GATE
 */
export function admit(key: KeyLabel, tbs: Buffer, ledger: LedgerState, known: GateKnowledge): Profile {
  const { keys, installed, factory } = known;
  switch (key) {
    case "device-ca": {
      const bundleKey = keys.get("bundle-sign");
      if (bundleKey === undefined) throw notInstalled("key bundle-sign");
      return classifyDeviceCaTbs(tbs, certificate(installed.deviceCa, "device CA"), bundleKey.spkiDer, { factory });
    }
    case "line-ca":
      return classifyLineTbs(tbs, certificate(installed.lineCa, "line CA"));
    case "bundle-sign":
      checkBundleAttributes(tbs, ledger);
      return "bundle-attributes";
  }
}

/**
 * The signatures that exist before their certificates do: the line CA's own, and the CSR of a device CA key, of the next
 * one where there is one. The caller makes sure that each key gives its own once.
 * @throws Refusal SIGNER-GATE
 */
export function admitCeremony(
  key: "device-ca" | "line-ca",
  tbs: Buffer,
  { keys }: GateKnowledge,
): { profile: Profile; use: KeyUse } {
  const use = key === "device-ca" && keys.has("next-device-ca") ? "next-device-ca" : key;
  const own = keys.get(use);
  if (own === undefined) throw notInstalled(`key ${key}`);
  if (key === "device-ca") {
    checkDeviceCaCsrInfo(tbs, own.spkiDer);
    return { profile: "ceremony-csr", use };
  }
  checkLineCaTbs(tbs, own.spkiDer);
  return { profile: "ceremony-line-ca", use };
}

function certificate(installed: CaCertificate | undefined, name: string): CaCertificate {
  if (installed === undefined) throw notInstalled(`certificate of the ${name}`);
  return installed;
}

function notInstalled(what: string): Refusal {
  return new Refusal(
    "SIGNER-GATE",
    "needs-person",
    `Nothing was signed: there is no ${what} yet. Finish the ceremony.`,
  );
}
