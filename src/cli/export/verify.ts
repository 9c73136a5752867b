import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { systemClock } from "../../clock.ts";
import type { RefusedBundle } from "../../importer/evidence.ts";
import { findBundles, readBundleDirectory, type UnverifiedBundle } from "../../importer/read-bundle-directory.ts";
import { type VerifiedBundle, verifyBundle } from "../../importer/verify-bundle.ts";
import { Refusal } from "../../refusal.ts";
import { parseBundleSignature } from "../../transfer/bundle-signature.ts";
import { parseManifest } from "../../transfer/manifest.ts";
import { type CaCertificate, parseCaCertificate } from "../../x509/ca-certificate.ts";
import { parsePem } from "../../x509/pem.ts";
import { type ExitCode, worstOf } from "../exit-codes.ts";
import { showCheckWords, showEvidence, showRefused } from "../import/evidence-lines.ts";
import type { Output } from "../import/output.ts";
import { exitCodeFor, UsageError } from "../run-tool.ts";
import { formatFingerprint } from "../text.ts";
import { formerDeviceCas } from "./former-device-cas.ts";
import type { ExportOptions } from "./main.ts";

/**
 * `verify DIR...`: the checks that the far side will make, on the stick as it is now; no appliance is asked. The only
 * trust anchor is the Factory root, from this machine and never from the stick. Which appliance it should be, a person
 * sees on the screen.
 */
export async function verifyCommand(
  paths: readonly string[],
  values: ExportOptions,
  output: Output,
): Promise<ExitCode> {
  if (paths.length === 0) throw new UsageError("name the medium: airlock-export verify /media/usb0");
  const root = parseCaCertificate(parsePem(await readFile(values["factory-root"], "utf8"), "CERTIFICATE"));
  const verified: VerifiedBundle[] = [];
  const refused: RefusedBundle[] = [];
  const found = await Promise.all(paths.map(findBundles));
  const directories = found.flatMap(({ bundles }) => bundles);
  const formers = await findFormers(directories, root);
  for (const directory of directories) {
    try {
      verified.push(verifyOne(await readBundleDirectory(directory), root, formers));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refused.push({ directory: basename(directory), refusal: error });
    }
  }
  if (verified.length + refused.length === 0) {
    throw new UsageError(`there is no bundle (ALB_...) under ${paths.join(", ")}. Is this the right medium?`);
  }
  show(verified, root, output);
  showRefused(refused, output);
  output.say(`${verified.length} verified, ${refused.length} refused.`);
  output.say(
    refused.length === 0
      ? "Next: carry it across and run   airlock-import run DIR"
      : "Next: nothing is lost; write the bundles again to another stick: airlock-export export",
  );
  return worstOf(refused.map(({ refusal }) => exitCodeFor(refusal)));
}

/** From all bundles together: more than 10,000 records may lie between a certificate and the rotation after it. */
async function findFormers(directories: readonly string[], root: CaCertificate): Promise<CaCertificate[]> {
  const formers: CaCertificate[] = [];
  for (const directory of directories) {
    const bundle = await readBundleDirectory(directory).catch((error: unknown) => {
      if (error instanceof Refusal) return undefined;
      throw error;
    });
    if (bundle !== undefined) formers.push(...formerDeviceCas(bundle.files["RECORDS.NDJSON"], root));
  }
  return formers;
}

/** The device CA inside the signature counts as far as the pinned root issued it; those before it likewise. */
function verifyOne(
  bundle: UnverifiedBundle,
  root: CaCertificate,
  laterDeviceCas: readonly CaCertificate[],
): VerifiedBundle {
  const { caDer } = parseBundleSignature(bundle.files["SHA256SUMS.P7S"].toString("latin1"));
  const reading = parseManifest(bundle.files["MANIFEST.JSON"].toString("utf8"));
  const claimed =
    reading.result === "manifest" ? reading.manifest : { appliance: "unknown", log: "00000000", factory: "unknown" };
  const { appliance, log, factory } = claimed;
  const trust = { appliance, log, factory, deviceCa: parseCaCertificate(caDer), laterDeviceCas, root };
  return verifyBundle(bundle, trust, systemClock.nowMs());
}

function show(verified: readonly VerifiedBundle[], root: CaCertificate, output: Output): void {
  const fingerprint = formatFingerprint(root.sha256);
  output.say(`Factory root  sha256 ${fingerprint.slice(0, 48)}`);
  output.say(`                     ${fingerprint.slice(48)}`);
  showEvidence(
    verified.map(({ manifest, evidence }) => ({ bundle: manifest.bundle, evidence })),
    output,
  );
  showCheckWords(
    verified.map(({ manifest, id }) => ({ bundle: manifest.bundle, id })),
    output,
  );
}
