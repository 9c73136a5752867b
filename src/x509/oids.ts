/** Dotted object identifiers, by the names that their RFCs give them. */
export const OID = {
  // Name attributes (X.520).
  commonName: "2.5.4.3",
  organizationalUnitName: "2.5.4.11",
  businessCategory: "2.5.4.15",

  // Keys and signatures (RFC 5480, RFC 8017).
  ecPublicKey: "1.2.840.10045.2.1",
  prime256v1: "1.2.840.10045.3.1.7",
  secp384r1: "1.3.132.0.34",
  rsaEncryption: "1.2.840.113549.1.1.1",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  ecdsaWithSha384: "1.2.840.10045.4.3.3",
  ecdsaWithSha512: "1.2.840.10045.4.3.4",
  sha256WithRsa: "1.2.840.113549.1.1.11",
  sha384WithRsa: "1.2.840.113549.1.1.12",
  sha512WithRsa: "1.2.840.113549.1.1.13",
  sha256: "2.16.840.1.101.3.4.2.1",

  // Extensions (RFC 5280 §4.2) and key purposes.
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  emailProtection: "1.3.6.1.5.5.7.3.4",

  // PKCS#9 and CMS (RFC 2985, RFC 5652).
  extensionRequest: "1.2.840.113549.1.9.14",
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  signingTime: "1.2.840.113549.1.9.5",
  data: "1.2.840.113549.1.7.1",
  signedData: "1.2.840.113549.1.7.2",

  // The project's own arc: an unregistered placeholder enterprise number. Both are only ever compared with
  // themselves, by programs of this package.
  bundleSigner: "1.3.6.1.4.1.58888.1.1",
  ledgerAttribute: "1.3.6.1.4.1.58888.1.2",
} as const;
