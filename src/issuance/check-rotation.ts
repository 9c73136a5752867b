import type { Clock } from "../clock.ts";
import type { Signer } from "../hsm/signer.ts";
import type { Log } from "../log/log.ts";
import type { CaIdentity, DeviceCaRotation } from "../log/proposed-act.ts";
import { Refusal, type RefusalCode } from "../refusal.ts";
import { type CaCertificate, parseCaCertificate } from "../x509/ca-certificate.ts";
import { parsePem } from "../x509/pem.ts";
import { examineDeviceCa } from "./check-device-ca.ts";

export interface RotationSite {
  readonly log: Log;
  readonly signer: Pick<Signer, "status">;
  readonly clock: Clock;
  readonly root: CaCertificate;
  readonly factory: string;
  /** The one in use. */
  readonly deviceCa: CaCertificate;
}

/**
 * Whether custodians may decide on this next device CA: the Factory root signed it, over the key that the token holds
 * for it. The console asks all of that again before it installs it.
 * @throws Refusal DUAL-CONTROL
 */
export async function checkRotation(site: RotationSite, { former, deviceCa }: DeviceCaRotation): Promise<void> {
  const { log, signer, clock, root, factory } = site;
  const { deviceCas } = log.custody();
  const isFollowing = former.sha256 === deviceCas.current && former.pem === site.deviceCa.pem;
  if (!isFollowing || deviceCas.current !== site.deviceCa.sha256) {
    throw refuse("conflict", "The act follows another device CA than the one in use. Propose it again.");
  }
  const ca = readExact(deviceCa);
  if (deviceCas.wasInstalled(ca.sha256)) {
    throw refuse("conflict", "This device CA is in use, or was. Name the certificate of the next one.");
  }
  const { nextDeviceCa } = await signer.status();
  if (nextDeviceCa === undefined) throw refuse("needs-person", NO_KEY);
  const spkiDer = Buffer.from(nextDeviceCa.spki, "base64");
  const findings = examineDeviceCa(ca, { spkiDer, root, factory, nowMs: clock.nowMs() });
  const reasons = findings.flatMap(({ verdict, detail }) => (verdict === "refused" ? [detail] : []));
  if (reasons.length > 0) throw refuse("malformed", `This cannot be the next device CA: ${reasons.join("; ")}.`);
}

const NO_KEY =
  "The token shows no next device CA key. Make it first, at the console: airlock-custody rotate. A sealed HSM shows " +
  "none: unseal it.";

/** The one text of a certificate: what custodians see is what stored certificates are given out with later. */
function readExact({ sha256, pem }: CaIdentity): CaCertificate {
  const ca = parseCaCertificate(parsePem(pem, "CERTIFICATE"));
  if (ca.sha256 === sha256 && ca.pem === pem) return ca;
  throw refuse("malformed", "The fingerprint is not that of the certificate. Propose it with airlock-custody.");
}

function refuse(code: RefusalCode, sentence: string): Refusal {
  return new Refusal("DUAL-CONTROL", code, sentence, { field: "act_json" });
}
