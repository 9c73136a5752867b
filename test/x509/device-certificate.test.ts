import assert from "node:assert/strict";
import { hash, randomBytes, X509Certificate } from "node:crypto";
import { assembleCertificate, checkIssued, parseCertificate, verifySignedBy } from "../../src/x509/certificate.ts";
import { encodeExtension } from "../../src/x509/extensions.ts";
import { readKeyBits } from "../../src/x509/key-policy.ts";
import { checkDeviceTbs } from "../../src/x509/profiles.ts";
import { buildDeviceTbs, prepareDeviceTemplate, randomSerial } from "../../src/x509/template.ts";
import { issue, makeCa, makeGnuTlsCa, ORIGINS, PLAIN_ORIGIN, RSA_ORIGIN, type TestCa } from "./make-ca.ts";
import { cppSubject, FACTORY, goSubject, p256Key, p384Key, rsaKey, type TestKey, UUID } from "./make-csr.ts";
import { makeTbs } from "./make-tbs.ts";
import { type Bench, openBench } from "./openssl.ts";
import { assertRefused, refusalOf } from "./refusals.ts";

const DAY_MS = 86_400_000;
const NOW_MS = Date.now();

function deviceTbs(ca: TestCa["ca"], key: TestKey, subjectDer = cppSubject(UUID, FACTORY, true), days = 7_300): Buffer {
  return buildDeviceTbs(prepareDeviceTemplate(ca), {
    subjectDer,
    spkiDer: key.spkiDer,
    serial: randomSerial(randomBytes),
    notBeforeMs: NOW_MS - 300_000,
    notAfterMs: NOW_MS + days * DAY_MS,
  });
}

const MAKERS: [string, (bench: Bench) => Promise<TestCa>][] = [
  ...ORIGINS.map((origin): [string, (bench: Bench) => Promise<TestCa>] => [
    `a CA with ${origin.title}`,
    (bench) => makeCa(bench, origin),
  ]),
  ["a CA that GnuTLS made", makeGnuTlsCa],
];

for (const [title, make] of MAKERS) {
  describe(`device certificates under ${title}`, () => {
    let bench: Bench;
    let site: TestCa;
    before(async () => {
      bench = await openBench();
      site = await make(bench);
    });
    after(() => bench.close());

    const subjects: [string, Buffer][] = [
      ["the C++ client", cppSubject(UUID, FACTORY, true)],
      ["fioup", goSubject()],
    ];
    for (const [client, subjectDer] of subjects) {
      it(`CERT-PROFILE: openssl and GnuTLS accept the certificate of ${client} for a TLS client`, async () => {
        const tbs = deviceTbs(site.ca, p256Key(), subjectDer);
        const der = issue(tbs, site);
        checkDeviceTbs(tbs, site.ca, { factory: FACTORY });
        const certificate = checkIssued(der, tbs, site.ca);
        assert.equal(certificate.sha256, hash("sha256", der));
        await bench.write("leaf.pem", new X509Certificate(der).toString());
        // Strict checking wants an SKI in every CA, so the CA without one is judged without it.
        const strict = site.ca.hasSki ? "-x509_strict" : "";
        const chain = `-CAfile ${site.id}-root.pem -untrusted ${site.id}-ca.pem leaf.pem`;
        const verdict = await bench.tool("sh", "-c", `openssl verify ${strict} -purpose sslclient ${chain}`);
        assert.match(verdict, /leaf.pem: OK/);
        await assert.rejects(bench.tool("sh", "-c", `openssl verify -purpose sslserver ${chain}`), /purpose/);
        await bench.tool("sh", "-c", `cat leaf.pem ${site.id}-ca.pem ${site.id}-root.pem > chain.pem`);
        assert.match(await bench.tool("certtool", "--verify-chain", "--infile", "chain.pem"), /verified/i);
        assert.ok(new X509Certificate(der).checkIssued(new X509Certificate(site.ca.der)));
      });
    }

    it("CERT-PROFILE: openssl prints exactly the profile", async () => {
      const der = issue(deviceTbs(site.ca, p256Key()), site);
      await bench.write("leaf.der", der);
      const text = await bench.tool("sh", "-c", "openssl x509 -inform DER -in leaf.der -noout -text");
      assert.match(text, /Version: 3 \(0x2\)/);
      const extensions = text.split("X509v3 extensions:\n")[1]?.split("    Signature Algorithm")[0] ?? "";
      const aki = (site.ca.skiKeyId.toString("hex").toUpperCase().match(/../g) ?? []).join(":");
      assert.deepEqual(
        extensions
          .split("\n")
          .map((line) => line.trim())
          .filter((line) => line !== ""),
        [
          "X509v3 Key Usage: critical",
          "Digital Signature",
          "X509v3 Extended Key Usage: critical",
          "TLS Web Client Authentication",
          "X509v3 Authority Key Identifier:",
          aki,
        ],
      );
    });

    it("CERT-PROFILE: issuer bytes are the CA's subject and the AKI is the CA's own SKI", () => {
      const { issuerDer, extensions } = parseCertificate(issue(deviceTbs(site.ca, p256Key()), site));
      assert.deepEqual(issuerDer, site.ca.subjectDer);
      const wanted = site.ca.hasSki ? skiByNode(site.ca.der) : hash("sha1", readKeyBits(site.ca.spkiDer), "buffer");
      assert.deepEqual(extensions.at(-1)?.value, Buffer.concat([Buffer.of(0x30, 22, 0x80, 20), wanted]));
    });

    it("CERT-PROFILE refuses a signature by another key, as a swapped token would make", async () => {
      const tbs = deviceTbs(site.ca, p256Key());
      const other = await makeCa(bench, { ...PLAIN_ORIGIN, id: "other" });
      const forged = issue(tbs, { ca: other.ca, key: other.key });
      const refusal = refusalOf(() => checkIssued(forged, tbs, site.ca));
      assert.deepEqual([refusal.control, refusal.code], ["CERT-PROFILE", "needs-person"]);
    });
  });
}

/** The SKI, found by its OID's bytes, without the code under test. */
function skiByNode(der: Buffer): Buffer {
  const at = der.indexOf(Buffer.from("0603551d0e04160414", "hex"));
  return der.subarray(at + 9, at + 29);
}

describe("what was signed", () => {
  let bench: Bench;
  let site: TestCa;
  let tbs: Buffer;
  let der: Buffer;
  before(async () => {
    bench = await openBench();
    site = await makeCa(bench, PLAIN_ORIGIN);
    tbs = deviceTbs(site.ca, p256Key());
    der = issue(tbs, site);
  });
  after(() => bench.close());

  it("CERT-PROFILE accepts the intended certificate and reads it as node does", () => {
    const certificate = checkIssued(der, tbs, site.ca);
    const node = new X509Certificate(der);
    assert.equal(certificate.serialHex, node.serialNumber.toLowerCase());
    assert.equal(certificate.notAfterMs, node.validToDate.getTime());
    assert.equal(certificate.notBeforeMs, node.validFromDate.getTime());
    assert.deepEqual(certificate.spkiDer, node.publicKey.export({ type: "spki", format: "der" }));
    verifySignedBy(certificate, site.ca.spkiDer);
    verifySignedBy(certificate, site.ca.publicKey);
  });

  it("CERT-PROFILE refuses another TBS than the intended one, though its signature is right", () => {
    const other = deviceTbs(site.ca, p256Key());
    const refusal = refusalOf(() => checkIssued(issue(other, site), tbs, site.ca));
    assert.deepEqual([refusal.control, refusal.code], ["CERT-PROFILE", "needs-person"]);
  });

  it("CERT-PROFILE refuses the certificate with any one bit flipped", () => {
    for (let bit = 0; bit < der.length * 8; bit++) {
      const flipped = Buffer.from(der);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(refusalOf(() => checkIssued(flipped, tbs, site.ca)).control, "CERT-PROFILE");
    }
  });

  it("CERT-PROFILE refuses a certificate under another issuer's key", async () => {
    const other = await makeCa(bench, { ...PLAIN_ORIGIN, id: "stranger" });
    const rsa = await makeCa(bench, { ...RSA_ORIGIN, id: "stranger2" });
    const certificate = parseCertificate(der);
    assertRefused(() => verifySignedBy(certificate, other.ca.spkiDer), "CERT-PROFILE", "certificate");
    assertRefused(() => verifySignedBy(certificate, rsa.ca.publicKey), "CERT-PROFILE", "certificate");
  });

  it("CERT-PROFILE: keys of every kind get a certificate that openssl accepts", async () => {
    for (const key of [p384Key(), rsaKey(2048), rsaKey(4096)]) {
      const kindTbs = deviceTbs(site.ca, key);
      checkDeviceTbs(kindTbs, site.ca);
      await bench.write("leaf.pem", new X509Certificate(issue(kindTbs, site)).toString());
      const chain = "-CAfile sha1-root.pem -untrusted sha1-ca.pem leaf.pem";
      assert.match(await bench.tool("sh", "-c", `openssl verify -x509_strict -purpose sslclient ${chain}`), /OK/);
    }
  });

  it("CERT-PROFILE: notAfter is UTCTime through 2049 and GeneralizedTime from 2050 on", async () => {
    const template = prepareDeviceTemplate(site.ca);
    const parts = { subjectDer: cppSubject(), spkiDer: p256Key().spkiDer, serial: randomSerial(randomBytes) };
    const cases: [string, RegExp][] = [
      ["2049-12-31T23:59:59Z", /UTCTIME +:491231235959Z/],
      ["2050-01-01T00:00:00Z", /GENERALIZEDTIME +:20500101000000Z/],
      ["2063-07-08T09:10:11Z", /GENERALIZEDTIME +:20630708091011Z/],
    ];
    for (const [notAfter, wanted] of cases) {
      const dated = buildDeviceTbs(template, { ...parts, notBeforeMs: NOW_MS, notAfterMs: Date.parse(notAfter) });
      checkDeviceTbs(dated, site.ca);
      await bench.write("dated.der", issue(dated, site));
      assert.match(await bench.tool("openssl", "asn1parse", "-inform", "DER", "-in", "dated.der"), wanted);
      const text = await bench.tool("openssl", "x509", "-inform", "DER", "-in", "dated.der", "-noout", "-enddate");
      assert.equal(Date.parse(text.replace("notAfter=", "")), Date.parse(notAfter));
    }
  });

  it("CERT-PROFILE: serials are positive, of at most 20 octets, and leave 159 bits to chance", () => {
    const largest = randomSerial((count) => Buffer.alloc(count, 0xff));
    assert.equal(largest.toString("hex"), `7f${"ff".repeat(19)}`);
    assert.equal(randomSerial((count) => Buffer.alloc(count, 0x80)).readUInt8(0), 0);
    const source = Buffer.alloc(20, 0xff);
    randomSerial(() => source);
    assert.equal(source.readUInt8(0), 0xff, "the random source's own buffer is untouched");
    const serials = new Set(Array.from({ length: 500 }, () => randomSerial(randomBytes).toString("hex")));
    assert.equal(serials.size, 500);
  });

  it("CERT-PROFILE accepts a certificate of 8,192 bytes and refuses one of 8,193", () => {
    const withFiller = (bytes: number) => {
      const filler = encodeExtension("1.2.3.4", false, Buffer.alloc(bytes));
      const large = makeTbs(site.ca, site.ca.spkiDer, { extensions: [filler] });
      return assembleCertificate(large, site.ca.signingAlgorithmDer, Buffer.alloc(64));
    };
    const filler = 7_000 + 8_192 - withFiller(7_000).length;
    assert.equal(parseCertificate(withFiller(filler)).der.length, 8_192);
    assertRefused(() => parseCertificate(withFiller(filler + 1)), "CERT-PROFILE", "certificate");
  });

  it("CERT-PROFILE refuses bytes that are no certificate, and nothing else escapes", () => {
    const cases = [
      Buffer.alloc(0),
      Buffer.of(0x30, 0),
      der.subarray(0, -1),
      Buffer.concat([der, Buffer.of(0)]),
      Buffer.concat([Buffer.of(0x30, 0x82, 0x20, 0x01), Buffer.alloc(8193)]),
      randomBytes(400),
    ];
    for (const bytes of cases) assertRefused(() => parseCertificate(bytes), "CERT-PROFILE", "certificate");
  });
});
