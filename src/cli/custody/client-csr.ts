import { generateKeyPairSync, sign } from "node:crypto";
import { assembleCertificate } from "../../x509/certificate.ts";
import { contextTag, encodeSequence, encodeTlv, encodeUnsignedInteger } from "../../x509/der.ts";
import { encodeName } from "../../x509/name.ts";
import { OID } from "../../x509/oids.ts";
import { encodePem } from "../../x509/pem.ts";
import { signatureAlgorithmFor } from "../../x509/signature.ts";

/** A fresh P-256 key and its PKCS#10 CSR (RFC 2986); the CN is for people, the appliance ignores it. */
export function createClientCsr(name: string): { keyPem: string; csrPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const info = encodeSequence(
    encodeUnsignedInteger(0),
    encodeName([{ type: OID.commonName, value: name, string: "utf8" }]),
    publicKey.export({ type: "spki", format: "der" }),
    encodeTlv(contextTag(0)),
  );
  const csr = assembleCertificate(info, signatureAlgorithmFor("P-256"), sign("sha256", info, privateKey));
  return {
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    csrPem: encodePem(csr, "CERTIFICATE REQUEST"),
  };
}
