import { hash } from "node:crypto";
import type { DeviceCasView } from "../log/device-cas.ts";
import type { RecordDraft, UnissuedBody } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import { isSignedBy, parseCertificate } from "../x509/certificate.ts";
import { spkiSha256 } from "../x509/key-policy.ts";

/** The device CA and the bundle signer's certificate as they lie in their files. */
export interface InstalledDeviceCa {
  readonly deviceCa: CaCertificate;
  readonly bundleCertificateDer: Buffer;
}

/**
 * DUAL-CONTROL: the device CA in the file is the one that the log knows, or the next one that custodians decided on, and
 * the bundle signer's certificate is of it. Asked at every start.
 * @throws Refusal DUAL-CONTROL, CERT-PROFILE `inconsistent`
 */
export function checkInstalled(cas: DeviceCasView, { deviceCa, bundleCertificateDer }: InstalledDeviceCa): void {
  const { sha256 } = deviceCa;
  if (sha256 !== cas.current && sha256 !== cas.approved?.sha256) {
    throw new Refusal("DUAL-CONTROL", "inconsistent", cas.wasInstalled(sha256) ? FORMER : UNKNOWN);
  }
  if (isSignedBy(parseCertificate(bundleCertificateDer), deviceCa.publicKey)) return;
  throw new Refusal("CERT-PROFILE", "inconsistent", UNFINISHED);
}

/**
 * What the log says of a signature that no record has used. The one over the installed bundle certificate, where the
 * device CA is the next one, is the first by it: from that record on the next one is in use.
 */
export function accountFor(
  cas: DeviceCasView,
  { deviceCa, bundleCertificateDer }: InstalledDeviceCa,
  signature: UnissuedBody,
): RecordDraft {
  const bundle = parseCertificate(bundleCertificateDer);
  const former = { sha256: cas.current, pem: cas.pemOf(cas.current) };
  const isFirst = cas.approved?.sha256 === deviceCa.sha256;
  if (!isFirst || former.pem === undefined || hash("sha256", bundle.tbsDer, "hex") !== signature.tbsSha256) {
    return { kind: "unissued", body: signature };
  }
  return {
    kind: "act",
    body: {
      act: "install-device-ca",
      deviceCa: { spkiSha256: deviceCa.spkiSha256, certSha256: deviceCa.sha256 },
      bundleSign: { spkiSha256: spkiSha256(bundle.spkiDer), certSha256: bundle.sha256 },
      former: { sha256: former.sha256, pem: former.pem },
      ...signature,
      by: "ceremony",
    },
  };
}

/**
 * DUAL-CONTROL: nothing is signed by a device CA before the log says that it is in use.
 * @throws Refusal DUAL-CONTROL `inconsistent`
 */
export function checkInUse(cas: DeviceCasView, { deviceCa }: InstalledDeviceCa): void {
  if (deviceCa.sha256 !== cas.current) throw new Refusal("DUAL-CONTROL", "inconsistent", NOT_SIGNED_HERE);
}

const STARTED = "airlockd does not start; no record is lost.";

const UNKNOWN =
  `The installed device CA is none that custodians have decided on: ${STARTED} Put the former device-ca.pem and ` +
  "bundle-sign.pem back, which airlock-custody rotate install keeps beside them, and have the next one decided on: " +
  "airlock-custody act propose rotate-device-ca";
const FORMER =
  `The installed device CA is a former one, and the log has moved on: ${STARTED} Put the newest device-ca.pem and ` +
  "bundle-sign.pem back, from the backup or with airlock-custody rotate install.";
const UNFINISHED =
  `The bundle signer's certificate is not of the installed device CA: ${STARTED} A rotation was interrupted; run ` +
  "airlock-custody rotate install again.";
const NOT_SIGNED_HERE =
  "The signer's ledger does not show that the bundle signer's certificate was made by this device CA. Nothing was " +
  "signed. Run airlock-custody rotate install again.";
