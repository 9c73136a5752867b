import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { buildBundleTbs } from "../../src/x509/bundle-template.ts";
import type { CaCertificate } from "../../src/x509/ca-certificate.ts";
import { assembleCsr, buildDeviceCaCsrInfo } from "../../src/x509/ca-csr.ts";
import { parseCertificate, readTbs } from "../../src/x509/certificate.ts";
import { encodeSignedAttributes } from "../../src/x509/cms-attributes.ts";
import { encodeSequence, encodeTlv, readTlv } from "../../src/x509/der.ts";
import {
  BUNDLE_SIGNER_PURPOSE,
  CERT_SIGN_USAGE,
  DIGITAL_SIGNATURE_USAGE,
  encodeExtKeyUsage,
  encodeSubjectKeyId,
  LEAF_CA_CONSTRAINTS,
  SERVER_AUTH_PURPOSE,
} from "../../src/x509/extensions.ts";
import { buildClientTbs, buildServerTbs, encodeSubjectAltName } from "../../src/x509/line-template.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import {
  checkBundleAttributes,
  checkBundleTbs,
  checkClientTbs,
  checkDeviceCaCsrInfo,
  checkDeviceTbs,
  checkLineCaTbs,
  checkServerTbs,
  classifyDeviceCaTbs,
  classifyLineTbs,
} from "../../src/x509/profiles.ts";
import { buildDeviceTbs, prepareDeviceTemplate } from "../../src/x509/template.ts";
import { certificatePem, issue, makeCa, PLAIN_ORIGIN, type TestCa } from "./make-ca.ts";
import { cppSubject, FACTORY, goSubject, p256Key, p384Key, rsaKey, UUID } from "./make-csr.ts";
import { DAY_MS, makeLineCa, makeTbs, SERIAL } from "./make-tbs.ts";
import { HOSTILE_TBS } from "./malformed-tbs.ts";
import { type Bench, openBench } from "./openssl.ts";
import { assertRefused, refusalOf } from "./refusals.ts";

const NOW_MS = Date.now();
const APPLIANCE = "site-1";

describe("SIGNER-GATE profiles", () => {
  let bench: Bench;
  let site: TestCa;
  let ca: CaCertificate;
  const line = makeLineCa(APPLIANCE, NOW_MS);
  const lineCa = line.ca;
  const device = p256Key();
  const bundle = p256Key();
  const dates = { serial: SERIAL, notBeforeMs: NOW_MS, notAfterMs: NOW_MS + DAY_MS };
  const lineParts = { ...dates, appliance: APPLIANCE, spkiDer: device.spkiDer };

  before(async () => {
    bench = await openBench();
    site = await makeCa(bench, PLAIN_ORIGIN);
    ca = site.ca;
  });
  after(() => bench.close());

  function gateRefuses(act: () => unknown): void {
    assertRefused(act, "SIGNER-GATE", "tbs");
  }

  function bundleTbs(spkiDer = bundle.spkiDer): Buffer {
    return buildBundleTbs(ca, { appliance: APPLIANCE, factory: FACTORY, spkiDer, serial: SERIAL });
  }

  function serverTbs(names = ["airlock.local", "192.0.2.7", "2001:db8::7"]): Buffer {
    return buildServerTbs(lineCa, { ...lineParts, names });
  }

  function clientTbs(): Buffer {
    return buildClientTbs(lineCa, { ...lineParts, role: "station", name: "line-3" });
  }

  describe("device", () => {
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
      assert.match(lists[0] ?? "", /Key Usage: critical\s+Digital Signature\s+X509v3 Extended Key Usage: critical\s+TLS Web Client Authentication\s+X509v3 Authority/);
    });
  });

  describe("bundle signer", () => {
    it("SIGNER-GATE accepts the bundle certificate, and openssl takes it for e-mail and nothing else", async () => {
      const tbs = bundleTbs();
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
      gateRefuses(() => checkBundleTbs(bundleTbs(device.spkiDer), ca, bundle.spkiDer));
      gateRefuses(() => classifyDeviceCaTbs(bundleTbs(device.spkiDer), ca, bundle.spkiDer));
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
      assert.deepEqual(tbs, bundleTbs());
    });
  });

  describe("bundle attributes", () => {
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
      gateRefuses(() => checkBundleAttributes(bundleTbs(), ledger));
      gateRefuses(() => checkBundleTbs(encodeSignedAttributes(attributes), ca, bundle.spkiDer));
    });
  });

  describe("line", () => {
    async function verifyLine(tbs: Buffer, purpose: string, more = ""): Promise<string> {
      await bench.write("line-ca.pem", lineCa.pem);
      await bench.write("line-leaf.pem", certificatePem(issue(tbs, line)));
      const command = `openssl verify -x509_strict -purpose ${purpose} ${more} -CAfile line-ca.pem line-leaf.pem`;
      return bench.tool("sh", "-c", command);
    }

    it("SIGNER-GATE accepts the server's certificate, and openssl finds its names", async () => {
      const tbs = serverTbs();
      checkServerTbs(tbs, lineCa);
      assert.equal(classifyLineTbs(tbs, lineCa), "server");
      assert.match(await verifyLine(tbs, "sslserver", "-verify_hostname airlock.local"), /OK/);
      assert.match(await verifyLine(tbs, "sslserver", "-verify_ip 192.0.2.7"), /OK/);
      assert.match(await verifyLine(tbs, "sslserver", "-verify_ip 2001:db8::7"), /OK/);
      await assert.rejects(verifyLine(tbs, "sslserver", "-verify_ip 192.0.2.8"), /IP address mismatch/);
      await assert.rejects(verifyLine(tbs, "sslclient"), /purpose/);
    });

    it("SIGNER-GATE accepts a client's certificate of each role, and openssl and GnuTLS read its URI", async () => {
      for (const role of ["station", "operator", "custodian", "auditor"] as const) {
        const tbs = buildClientTbs(lineCa, { ...lineParts, role, name: "A_b-9" });
        checkClientTbs(tbs, lineCa);
        assert.equal(classifyLineTbs(tbs, lineCa), "client");
        assert.match(await verifyLine(tbs, "sslclient"), /OK/);
        await assert.rejects(verifyLine(tbs, "sslserver"), /purpose/);
        const san = new X509Certificate(issue(tbs, line)).subjectAltName;
        assert.equal(san, `URI:airlock://${APPLIANCE}/${role}/A_b-9`);
        const text = await bench.tool("certtool", "-i", "--infile", "line-leaf.pem");
        assert.ok(text.includes(`URI: airlock://${APPLIANCE}/${role}/A_b-9`));
      }
    });

    const uri = (text: string) => encodeTlv(0x86, Buffer.from(text));
    const clientPurpose = encodeExtKeyUsage(OID.clientAuth);
    const clientSubject = encodeName([
      { type: OID.organizationalUnitName, value: "station", string: "utf8" },
      { type: OID.commonName, value: "line-3", string: "utf8" },
    ]);
    const station = `airlock://${APPLIANCE}/station/line-3`;
    const client = (...names: Buffer[]) => ({
      subject: clientSubject,
      extensions: [DIGITAL_SIGNATURE_USAGE, clientPurpose, encodeSubjectAltName(...names)],
    });
    const clientCases: [string, Parameters<typeof makeTbs>[2]][] = [
      ["another role in the URI than in the subject", client(uri(`airlock://${APPLIANCE}/custodian/line-3`))],
      ["another name in the URI than in the subject", client(uri(`airlock://${APPLIANCE}/station/line-4`))],
      ["a role that does not exist", client(uri(`airlock://${APPLIANCE}/root/line-3`))],
      ["two URIs", client(uri(station), uri(`airlock://${APPLIANCE}/custodian/line-3`))],
      ["a URI and a DNS name", client(uri(station), encodeTlv(0x82, Buffer.from("host")))],
      ["a DNS name for the URI", client(encodeTlv(0x82, Buffer.from(station)))],
      ["a longer URI", client(uri(`${station}/more`))],
      ["a URI with a line feed", client(uri(`${station}\n`))],
      ["no SAN", { subject: clientSubject }],
      ["a device's subject", { ...client(uri(station)), subject: cppSubject() }],
      [
        "serverAuth",
        { subject: clientSubject, extensions: [DIGITAL_SIGNATURE_USAGE, SERVER_AUTH_PURPOSE, encodeSubjectAltName(uri(station))] },
      ],
      ["CA:TRUE", { subject: clientSubject, extensions: [...(client(uri(station)).extensions ?? []), LEAF_CA_CONSTRAINTS] }],
    ].map(([title, recipe]) => [title as string, recipe as Parameters<typeof makeTbs>[2]]);
    for (const [title, recipe] of clientCases) {
      it(`SIGNER-GATE refuses a client's certificate with ${title}`, () => {
        gateRefuses(() => classifyLineTbs(makeTbs(lineCa, device.spkiDer, recipe), lineCa));
      });
    }

    it("SIGNER-GATE accepts the same client's certificate put together by hand", () => {
      checkClientTbs(makeTbs(lineCa, device.spkiDer, client(uri(station))), lineCa);
    });

    const serverSubject = encodeName([{ type: OID.commonName, value: `airlock-server-${APPLIANCE}`, string: "utf8" }]);
    const server = (...names: Buffer[]) => ({
      subject: serverSubject,
      extensions: [DIGITAL_SIGNATURE_USAGE, SERVER_AUTH_PURPOSE, encodeSubjectAltName(...names)],
    });
    const dns = (text: string) => encodeTlv(0x82, Buffer.from(text));
    const serverCases: [string, Buffer[]][] = [
      ["a URI of a client", [dns("host"), uri(station)]],
      ["a DNS name with a blank", [dns("a b")]],
      ["a DNS name with a NUL", [dns("host\0.example.org")]],
      ["a wildcard", [dns("*.example.org")]],
      ["an empty DNS name", [dns("")]],
      ["an address of 5 octets", [encodeTlv(0x87, Buffer.alloc(5))]],
      ["a directory name", [encodeTlv(0xa4, serverSubject)]],
      ["17 names", Array<Buffer>(17).fill(dns("host"))],
    ];
    for (const [title, names] of serverCases) {
      it(`SIGNER-GATE refuses a server's certificate with ${title}`, () => {
        gateRefuses(() => classifyLineTbs(makeTbs(lineCa, device.spkiDer, server(...names)), lineCa));
      });
    }

    it("SIGNER-GATE refuses a server's certificate with another subject", () => {
      const recipe = { ...server(dns("host")), subject: cppSubject() };
      checkServerTbs(makeTbs(lineCa, device.spkiDer, server(dns("host"))), lineCa);
      gateRefuses(() => checkServerTbs(makeTbs(lineCa, device.spkiDer, recipe), lineCa));
    });

    it("builders refuse names that no certificate may hold", () => {
      for (const names of [[], ["a b"], ["host\0"], ["*.x"], ["-x"], ["x".repeat(64)]])
        assert.throws(() => serverTbs(names));
      const client = { ...lineParts, role: "station" as const, name: "x" };
      assert.throws(() => buildClientTbs(lineCa, { ...client, name: "a/b" }));
      assert.throws(() => buildClientTbs(lineCa, { ...client, appliance: "a b" }));
      assert.throws(() => buildServerTbs(lineCa, { ...lineParts, appliance: "", names: ["x"] }));
    });
  });

  describe("ceremony", () => {
    it("SIGNER-GATE accepts the line CA's own certificate, and openssl verifies it strictly", async () => {
      checkLineCaTbs(line.tbs, lineCa.spkiDer);
      await bench.write("self.pem", lineCa.pem);
      const verdict = await bench.tool(
        "sh",
        "-c",
        "openssl verify -x509_strict -check_ss_sig -CAfile self.pem self.pem",
      );
      assert.match(verdict, /OK/);
      assert.deepEqual([lineCa.isCa, lineCa.pathLen, lineCa.keyUsageBits], [true, 0, 0x04]);
    });

    it("SIGNER-GATE refuses a line CA over another key, with another name, or with more than its profile", () => {
      gateRefuses(() => checkLineCaTbs(line.tbs, device.spkiDer));
      const ski = encodeSubjectKeyId(lineCa.skiKeyId);
      const own = (recipe: Parameters<typeof makeTbs>[2]) =>
        makeTbs(lineCa, lineCa.spkiDer, { subject: lineCa.subjectDer, aki: ski, ...recipe });
      checkLineCaTbs(own({ extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS] }), lineCa.spkiDer);
      const renamed = encodeName([{ type: OID.commonName, value: "Factory-CA", string: "utf8" }]);
      const cases: Parameters<typeof makeTbs>[2][] = [
        { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS], subject: renamed, issuer: renamed },
        { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS], issuer: renamed },
        { extensions: [DIGITAL_SIGNATURE_USAGE, LEAF_CA_CONSTRAINTS] },
        { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS, SERVER_AUTH_PURPOSE] },
        { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS], aki: encodeSubjectKeyId(Buffer.alloc(20)) },
        { extensions: [CERT_SIGN_USAGE] },
      ];
      for (const recipe of cases) gateRefuses(() => checkLineCaTbs(own(recipe), lineCa.spkiDer));
    });

    it("SIGNER-GATE accepts the device CA's CSR, and openssl makes the CA of FOUNDRIES' profile from it", async () => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const spkiDer = publicKey.export({ type: "spki", format: "der" });
      const info = buildDeviceCaCsrInfo({ commonName: "fio-6543", factory: FACTORY, spkiDer });
      checkDeviceCaCsrInfo(info, spkiDer);
      await bench.write("ca.csr", assembleCsr(info, device.algorithm, sign("sha256", info, privateKey)));
      const made = await bench.tool(
        "sh",
        "-ec",
        `openssl req -inform DER -in ca.csr -verify -noout
         openssl x509 -req -inform DER -in ca.csr -CA sha1-root.pem -CAkey sha1-root.key -days 3650 -copy_extensions copyall -out made.pem
         openssl verify -x509_strict -CAfile sha1-root.pem made.pem
         openssl x509 -in made.pem -noout -subject -ext basicConstraints,keyUsage`,
      );
      assert.match(made, /verify OK/);
      assert.match(made, /made.pem: OK/);
      assert.match(made, /CN = fio-6543, OU = acme/);
      assert.match(made, /Key Usage: critical\s+Certificate Sign\s/);
      assert.match(made, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    });

    it("SIGNER-GATE refuses a device CA's CSR over another key or with more than its profile", () => {
      const parts = { commonName: "fio-6543", factory: FACTORY, spkiDer: device.spkiDer };
      const info = buildDeviceCaCsrInfo(parts);
      gateRefuses(() => checkDeviceCaCsrInfo(info, bundle.spkiDer));
      gateRefuses(() => checkDeviceCaCsrInfo(info.subarray(0, -1), device.spkiDer));
      gateRefuses(() => checkDeviceCaCsrInfo(Buffer.concat([info, Buffer.of(0)]), device.spkiDer));
      gateRefuses(() => checkDeviceCaCsrInfo(buildDeviceCaCsrInfo({ ...parts, commonName: "" }), device.spkiDer));
      const noRequest = encodeSequence(Buffer.of(2, 1, 0), cppSubject("fio-1"), device.spkiDer, Buffer.of(0xa0, 0));
      gateRefuses(() => checkDeviceCaCsrInfo(noRequest, device.spkiDer));
      const longPath = Buffer.from(info);
      longPath[longPath.indexOf(Buffer.from("30060101ff020100", "hex")) + 7] = 1;
      gateRefuses(() => checkDeviceCaCsrInfo(longPath, device.spkiDer));
    });
  });

  it("SIGNER-GATE: each profile's bytes pass their own check and no other", () => {
    const inputs = {
      device: makeTbs(ca, device.spkiDer),
      bundle: bundleTbs(),
      server: serverTbs(),
      client: clientTbs(),
      lineCa: line.tbs,
      csr: buildDeviceCaCsrInfo({ commonName: "fio-1", factory: FACTORY, spkiDer: ca.spkiDer }),
    };
    const checks: Record<keyof typeof inputs, (tbs: Buffer) => void> = {
      device: (tbs) => checkDeviceTbs(tbs, ca),
      bundle: (tbs) => checkBundleTbs(tbs, ca, bundle.spkiDer),
      server: (tbs) => checkServerTbs(tbs, lineCa),
      client: (tbs) => checkClientTbs(tbs, lineCa),
      lineCa: (tbs) => checkLineCaTbs(tbs, lineCa.spkiDer),
      csr: (tbs) => checkDeviceCaCsrInfo(tbs, ca.spkiDer),
    };
    const passed = Object.entries(checks).flatMap(([check, run]) =>
      Object.entries(inputs)
        .filter(([, tbs]) => verdictOf(() => run(tbs)) === "accepted")
        .map(([input]) => `${input} by ${check}`),
    );
    assert.deepEqual(
      passed,
      Object.keys(inputs).map((kind) => `${kind} by ${kind}`),
    );
  });

  it("SIGNER-GATE: nothing but its own refusal escapes for any bytes", () => {
    const seeds = [makeTbs(ca, device.spkiDer), bundleTbs(), serverTbs(), line.tbs];
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(
          fc.constantFrom(...seeds),
          fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        )
        .map(([seed, edits]) => edits.reduce((der, [at, value]) => setByte(der, at % der.length, value), Buffer.from(seed))),
    );
    fc.assert(
      fc.property(bytes, (input) => {
        const tbs = Buffer.from(input);
        for (const check of [
          () => classifyDeviceCaTbs(tbs, ca, bundle.spkiDer),
          () => classifyLineTbs(tbs, lineCa),
          () => checkLineCaTbs(tbs, lineCa.spkiDer),
          () => checkDeviceCaCsrInfo(tbs, ca.spkiDer),
          () => checkBundleAttributes(tbs, { certificates: 1, hash: "" }),
        ]) {
          verdictOf(check);
        }
      }),
      { numRuns: 2_000, seed: 7 },
    );
  });

  it("SIGNER-GATE refuses noise", () => {
    for (const length of [0, 1, 2, 64, 4_096, 8_193]) gateRefuses(() => checkDeviceTbs(randomBytes(length), ca));
  });
});

/** Only SIGNER-GATE's own refusal counts; any other error fails the test. */
function verdictOf(check: () => unknown): "accepted" | "refused" {
  try {
    check();
    return "accepted";
  } catch (error) {
    assert.equal(
      refusalOf(() => {
        throw error;
      }).control,
      "SIGNER-GATE",
    );
    return "refused";
  }
}

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
