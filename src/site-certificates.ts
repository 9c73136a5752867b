import { readFile } from "node:fs/promises";
import type { ApplianceConfig } from "./config/appliance-config.ts";
import { readSecretFile } from "./config/secret-file.ts";
import type { TlsIdentity } from "./rpc/tls-listener.ts";
import { type CaCertificate, parseCaCertificate } from "./x509/ca-certificate.ts";
import { parsePem } from "./x509/pem.ts";

/** Every certificate that airlockd starts with; private keys of CAs are never among them. */
export interface SiteCertificates {
  readonly root: CaCertificate;
  readonly deviceCa: CaCertificate;
  readonly lineCa: CaCertificate;
  readonly bundleCertificateDer: Buffer;
  readonly tls: TlsIdentity;
}

/** @throws Error or Refusal that names the file at fault */
export async function readSiteCertificates(config: ApplianceConfig): Promise<SiteCertificates> {
  const { site, signer, service } = config;
  const lineCa = await readCa(signer.line_ca);
  return {
    root: await readCa(site.factory_root),
    deviceCa: await readCa(signer.device_ca),
    lineCa,
    bundleCertificateDer: parsePem(await readFile(service.bundle_certificate, "utf8"), "CERTIFICATE"),
    tls: {
      certificate: await readFile(service.tls_certificate, "utf8"),
      key: await readSecretFile(service.tls_key),
      lineCa: lineCa.pem,
    },
  };
}

async function readCa(path: string): Promise<CaCertificate> {
  return parseCaCertificate(parsePem(await readFile(path, "utf8"), "CERTIFICATE"));
}
