import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { encodeTlv } from "../../src/x509/der.ts";
import {
  DIGITAL_SIGNATURE_USAGE,
  encodeExtKeyUsage,
  LEAF_CA_CONSTRAINTS,
  SERVER_AUTH_PURPOSE,
} from "../../src/x509/extensions.ts";
import { buildClientTbs, buildServerTbs, encodeSubjectAltName } from "../../src/x509/line-template.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { checkClientTbs, checkServerTbs, classifyLineTbs } from "../../src/x509/profiles.ts";
import { APPLIANCE, device, gateRefuses, line, lineCa, lineParts, serverTbs } from "./gate-site.ts";
import { certificatePem, issue } from "./make-ca.ts";
import { cppSubject } from "./make-csr.ts";
import { makeTbs } from "./make-tbs.ts";
import { type Bench, openBench } from "./openssl.ts";

describe("the gate for line certificates", () => {
  let bench: Bench;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

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
      {
        subject: clientSubject,
        extensions: [DIGITAL_SIGNATURE_USAGE, SERVER_AUTH_PURPOSE, encodeSubjectAltName(uri(station))],
      },
    ],
    [
      "CA:TRUE",
      { subject: clientSubject, extensions: [...(client(uri(station)).extensions ?? []), LEAF_CA_CONSTRAINTS] },
    ],
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
