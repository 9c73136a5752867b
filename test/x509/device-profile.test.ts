import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import type { CaCertificate } from "../../src/x509/ca-certificate.ts";
import { readTbs } from "../../src/x509/certificate.ts";
import { encodeTlv, readTlv } from "../../src/x509/der.ts";
import { checkDeviceTbs, classifyDeviceCaTbs } from "../../src/x509/profiles.ts";
import { buildDeviceTbs, prepareDeviceTemplate } from "../../src/x509/template.ts";
import { bundle, dates, device, gateRefuses, lineCa, openGateSite, verdictOf } from "./gate-site.ts";
import { certificatePem, issue, makeCa, PLAIN_ORIGIN, type TestCa } from "./make-ca.ts";
import { cppSubject, FACTORY, goSubject, p384Key, rsaKey, UUID } from "./make-csr.ts";
import { DAY_MS, makeTbs, SERIAL } from "./make-tbs.ts";
import { HOSTILE_TBS } from "./malformed-tbs.ts";
import type { Bench } from "./openssl.ts";

describe("the gate for device certificates", () => {
  let bench: Bench;
  let site: TestCa;
  let ca: CaCertificate;
  before(async () => {
    ({ bench, site, ca } = await openGateSite());
  });
  after(() => bench.close());

  it("SIGNER-GATE accepts the template's bytes for both clients, and a TBS put together by hand is the same", () => {
    const parts = { ...dates, spkiDer: device.spkiDer };
    for (const subject of [cppSubject(), goSubject(), cppSubject(UUID, FACTORY, true)]) {
      const tbs = buildDeviceTbs(prepareDeviceTemplate(ca), { ...parts, subjectDer: subject });
      checkDeviceTbs(tbs, ca);
      checkDeviceTbs(tbs, ca, { factory: FACTORY, keyKinds: ["P-256"] });
      assert.equal(classifyDeviceCaTbs(tbs, ca, bundle.spkiDer), "device");
      const byHand = makeTbs(ca, device.spkiDer, { ...dates, serial: encodeTlv(2, SERIAL), subject });
      assert.deepEqual(byHand, tbs);
    }
  });

  it("SIGNER-GATE accepts serials of 64 bits and of 20 octets, and validities of up to a hundred years", () => {
    const serials = ["0080000000000000ff", "7f".repeat(20), "4000000000000000aa"];
    for (const serial of serials) {
      checkDeviceTbs(makeTbs(ca, device.spkiDer, { serial: encodeTlv(2, Buffer.from(serial, "hex")) }), ca);
    }
    checkDeviceTbs(makeTbs(ca, device.spkiDer, { notAfterMs: ca.notBeforeMs + 36_500 * DAY_MS }), ca);
  });

  for (const { title, recipe } of HOSTILE_TBS) {
    it(`SIGNER-GATE refuses a device certificate with ${title}`, () => {
      const tbs = makeTbs(ca, device.spkiDer, recipe(ca));
      gateRefuses(() => checkDeviceTbs(tbs, ca, { factory: FACTORY }));
      gateRefuses(() => classifyDeviceCaTbs(tbs, ca, bundle.spkiDer, { factory: FACTORY }));
    });
  }

  it("SIGNER-GATE refuses a kind of key that the site does not allow", () => {
    for (const key of [p384Key(), rsaKey()]) {
      const tbs = makeTbs(ca, key.spkiDer);
      checkDeviceTbs(tbs, ca);
      gateRefuses(() => checkDeviceTbs(tbs, ca, { keyKinds: ["P-256"] }));
    }
  });

  it("SIGNER-GATE refuses a device certificate over the token's own bundle-sign key", () => {
    const tbs = makeTbs(ca, bundle.spkiDer);
    gateRefuses(() => classifyDeviceCaTbs(tbs, ca, bundle.spkiDer));
  });

  it("SIGNER-GATE refuses a device certificate under the wrong CA", async () => {
    const other = await makeCa(bench, { ...PLAIN_ORIGIN, id: "wrong" });
    const tbs = makeTbs(ca, device.spkiDer);
    gateRefuses(() => checkDeviceTbs(tbs, other.ca));
    gateRefuses(() => checkDeviceTbs(tbs, lineCa));
  });

  it("SIGNER-GATE refuses any one bit flipped outside of serial, dates, subject and key", () => {
    const tbs = makeTbs(ca, device.spkiDer);
    const fields = readTbs(readTlv(tbs));
    const free = [SERIAL, fields.subjectDer, fields.spkiDer].map((part) => rangeOf(tbs, part));
    const datesStart = rangeOf(tbs, fields.issuerDer)[1];
    free.push([datesStart, rangeOf(tbs, fields.subjectDer)[0]]);
    forEachFlip(tbs, (flipped, at) => {
      const isFree = free.some(([start, end]) => at >= start && at < end);
      const verdict = verdictOf(() => checkDeviceTbs(flipped, ca, { factory: FACTORY }));
      assert.ok(isFree || verdict === "refused", `bit at byte ${at} was accepted`);
    });
  });

  it("SIGNER-GATE: a flipped bit that is accepted gives openssl another device certificate, never anything else", async () => {
    const tbs = makeTbs(ca, device.spkiDer);
    const accepted: Buffer[] = [];
    forEachFlip(tbs, (flipped) => {
      const isAccepted = verdictOf(() => checkDeviceTbs(flipped, ca, { factory: FACTORY })) === "accepted";
      accepted.push(...(isAccepted ? [flipped] : []));
    });
    assert.ok(accepted.length > 100);
    const wanted = certificateShape(issue(tbs, site));
    for (const flipped of accepted) assert.deepEqual(certificateShape(issue(flipped, site)), wanted);
    await bench.write("accepted.pem", accepted.map((flipped) => certificatePem(issue(flipped, site))).join(""));
    const print = "openssl crl2pkcs7 -nocrl -certfile accepted.pem | openssl pkcs7 -print_certs -text -noout";
    const text = await bench.tool("sh", "-c", print);
    const lists = [...text.matchAll(/X509v3 extensions:\n([\s\S]*?) {4}Signature Algorithm/g)].map(([, list]) => list);
    assert.deepEqual([lists.length, new Set(lists).size], [accepted.length, 1]);
    assert.match(
      lists[0] ?? "",
      /Key Usage: critical\s+Digital Signature\s+X509v3 Extended Key Usage: critical\s+TLS Web Client Authentication\s+X509v3 Authority/,
    );
  });
});

function rangeOf(bytes: Buffer, part: Buffer): [start: number, end: number] {
  const start = bytes.indexOf(part);
  assert.ok(start >= 0);
  return [start, start + part.length];
}

function forEachFlip(bytes: Buffer, visit: (flipped: Buffer, at: number) => void): void {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    visit(flipped, bit >> 3);
  }
}

/** What node makes of a certificate's power. */
function certificateShape(der: Buffer): unknown {
  const { ca, keyUsage, issuer, subjectAltName } = new X509Certificate(der);
  return { ca, keyUsage, issuer, subjectAltName };
}
