import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { systemClock } from "../../../clock.ts";
import { bad, type Check, good } from "./finding.ts";

const DAY_MS = 86_400_000;
/** Time to hold a ceremony, or to carry a CSR across the gap and back. */
const WANTED_DAYS = 60;

/** Every certificate that the appliance uses: dates, who signed it, and that the server's key is its own. */
export const checkCertificates: Check = async ({ site, signer, service }) => {
  const root = await read(site.factory_root);
  const deviceCa = await read(signer.device_ca);
  const lineCa = await read(signer.line_ca);
  const server = await read(service.tls_certificate);
  const bundle = await read(service.bundle_certificate);
  const chain = [
    ["device CA", deviceCa, root],
    ["bundle signer", bundle, deviceCa],
    ["server", server, lineCa],
    ["line CA", lineCa, lineCa],
  ] as const;
  for (const [what, certificate, issuer] of chain) {
    if (!certificate.verify(issuer.publicKey))
      return bad(`the ${what}'s certificate is not its issuer's`, "restore the ceremony's files from the backup");
  }
  if (!server.checkPrivateKey(createPrivateKey(await readFile(service.tls_key)))) {
    return bad("the server's key is not its certificate's", "restore both from the backup of one day");
  }
  const all = [["Factory root", root] as const, ...chain.map(([what, certificate]) => [what, certificate] as const)];
  const ends = all.map(([what, { validTo }]) => ({ what, days: daysUntil(validTo) })).sort((a, b) => a.days - b.days);
  const [first = { what: "none", days: 0 }] = ends;
  if (first.days < 0)
    return bad(`the ${first.what}'s certificate has ended`, "guides/custodian.md says how the next one is made");
  if (first.days < WANTED_DAYS)
    return bad(
      `the ${first.what}'s certificate ends in ${first.days} days`,
      "plan its renewal with the custodians now",
    );
  return good(`all of one chain; the first to end is the ${first.what}'s, in ${first.days} days`);
};

async function read(path: string): Promise<X509Certificate> {
  return new X509Certificate(await readFile(path));
}

function daysUntil(validTo: string): number {
  return Math.floor((Date.parse(validTo) - systemClock.nowMs()) / DAY_MS);
}
