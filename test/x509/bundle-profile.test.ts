import assert from "node:assert/strict";
import type { CaCertificate } from "../../src/x509/ca-certificate.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { encodeSignedAttributes } from "../../src/x509/cms-attributes.ts";
import {
  BUNDLE_SIGNER_PURPOSE,
  CERT_SIGN_USAGE,
  DIGITAL_SIGNATURE_USAGE,
  encodeExtKeyUsage,
  LEAF_CA_CONSTRAINTS,
} from "../../src/x509/extensions.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { checkBundleAttributes, checkBundleTbs, classifyDeviceCaTbs } from "../../src/x509/profiles.ts";
import { APPLIANCE, bundle, bundleTbs, device, gateRefuses, lineCa, openGateSite, serverTbs } from "./gate-site.ts";
import { certificatePem, issue, type TestCa } from "./make-ca.ts";
import { cppSubject, FACTORY } from "./make-csr.ts";
import { makeTbs } from "./make-tbs.ts";
import type { Bench } from "./openssl.ts";

describe("the gate for the bundle signer", () => {
  let bench: Bench;
  let site: TestCa;
  let ca: CaCertificate;
  before(async () => {
    ({ bench, site, ca } = await openGateSite());
  });
  after(() => bench.close());

  it("SIGNER-GATE accepts the bundle certificate, and openssl takes it for e-mail and nothing else", async () => {
    const tbs = bundleTbs(ca);
    checkBundleTbs(tbs, ca, bundle.spkiDer);
    assert.equal(classifyDeviceCaTbs(tbs, ca, bundle.spkiDer), "bundle");
    await bench.write("bundle.pem", certificatePem(issue(tbs, site)));
    const chain = "-CAfile sha1-root.pem -untrusted sha1-ca.pem bundle.pem";
    const verify = (purpose: string) =>
      bench.tool("sh", "-c", `openssl verify -x509_strict -purpose ${purpose} ${chain}`);
    assert.match(await verify("smimesign"), /OK/);
    await assert.rejects(verify("sslclient"), /purpose/);
    await assert.rejects(verify("sslserver"), /purpose/);
    const { notBeforeMs, notAfterMs } = parseCertificate(issue(tbs, site));
    assert.deepEqual([notBeforeMs, notAfterMs], [ca.notBeforeMs, ca.notAfterMs]);
  });

  it("SIGNER-GATE refuses a bundle certificate over any other key than the token's", () => {
    gateRefuses(() => checkBundleTbs(bundleTbs(ca, device.spkiDer), ca, bundle.spkiDer));
    gateRefuses(() => classifyDeviceCaTbs(bundleTbs(ca, device.spkiDer), ca, bundle.spkiDer));
  });

  const [subject, dated] = [
    encodeName([
      { type: OID.commonName, value: `airlock-bundle-${APPLIANCE}`, string: "utf8" },
      { type: OID.organizationalUnitName, value: FACTORY, string: "utf8" },
    ]),
    (of: CaCertificate) => ({ notBeforeMs: of.notBeforeMs, notAfterMs: of.notAfterMs }),
  ];
  const extensions = [DIGITAL_SIGNATURE_USAGE, BUNDLE_SIGNER_PURPOSE];
  const cases: [string, (of: CaCertificate) => Parameters<typeof makeTbs>[2]][] = [
    ["a device's subject", (of) => ({ ...dated(of), extensions, subject: cppSubject() })],
    ["later dates", (of) => ({ ...dated(of), notAfterMs: of.notAfterMs + 1_000, extensions, subject })],
    ["an earlier beginning", (of) => ({ ...dated(of), notBeforeMs: of.notBeforeMs - 1_000, extensions, subject })],
    ["CA:TRUE", (of) => ({ ...dated(of), extensions: [...extensions, LEAF_CA_CONSTRAINTS], subject })],
    ["keyCertSign", (of) => ({ ...dated(of), extensions: [CERT_SIGN_USAGE, BUNDLE_SIGNER_PURPOSE], subject })],
    [
      "emailProtection alone",
      (of) => ({
        ...dated(of),
        extensions: [DIGITAL_SIGNATURE_USAGE, encodeExtKeyUsage(OID.emailProtection)],
        subject,
      }),
    ],
    ["clientAuth", (of) => ({ ...dated(of), subject })],
  ];
  for (const [title, recipe] of cases) {
    it(`SIGNER-GATE refuses a bundle certificate with ${title}`, () => {
      const tbs = makeTbs(ca, bundle.spkiDer, recipe(ca));
      gateRefuses(() => classifyDeviceCaTbs(tbs, ca, bundle.spkiDer));
    });
  }

  it("SIGNER-GATE accepts the same bundle certificate put together by hand", () => {
    const tbs = makeTbs(ca, bundle.spkiDer, { ...dated(ca), extensions, subject });
    assert.deepEqual(tbs, bundleTbs(ca));
  });
});

describe("the gate for bundle attributes", () => {
  const attributes = { messageDigest: Buffer.alloc(32, 1), ledgerCount: 41_880, ledgerHash: Buffer.alloc(32, 2) };
  const ledger = { certificates: 41_880, hash: "02".repeat(32) };

  it("SIGNER-GATE accepts signed attributes that state the ledger's own count and hash", () => {
    assert.deepEqual(checkBundleAttributes(encodeSignedAttributes(attributes), ledger), attributes);
  });

  it("SIGNER-GATE refuses signed attributes with another count or hash", () => {
    const der = encodeSignedAttributes(attributes);
    gateRefuses(() => checkBundleAttributes(der, { ...ledger, certificates: 41_879 }));
    gateRefuses(() => checkBundleAttributes(der, { ...ledger, hash: "03".repeat(32) }));
  });

  it("SIGNER-GATE refuses a certificate in the place of signed attributes, and the other way round", () => {
    gateRefuses(() => checkBundleAttributes(serverTbs(), ledger));
    gateRefuses(() => checkBundleTbs(encodeSignedAttributes(attributes), lineCa, bundle.spkiDer));
  });
});
