import assert from "node:assert/strict";
import { hash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkCanSign, parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { parseCertificate, verifySignedBy } from "../../src/x509/certificate.ts";
import { KEY_USAGE } from "../../src/x509/extensions.ts";
import { parseName } from "../../src/x509/name.ts";
import { issue, makeCa, makeGnuTlsCa, ORIGINS, PLAIN_ORIGIN, type TestCa } from "./make-ca.ts";
import { type Bench, openBench } from "./openssl.ts";
import { assertRefused, refusalOf } from "./refusals.ts";

describe("CA certificates", () => {
  let bench: Bench;
  const cas = new Map<string, TestCa>();
  before(async () => {
    bench = await openBench();
    for (const origin of ORIGINS) cas.set(origin.id, await makeCa(bench, origin));
    cas.set("gnutls", await makeGnuTlsCa(bench));
  });
  after(() => bench.close());

  function known(id: string): TestCa {
    const found = cas.get(id);
    assert.ok(found);
    return found;
  }

  for (const { id, title } of [...ORIGINS, { id: "gnutls", title: "GnuTLS's ways" }]) {
    it(`CERT-PROFILE accepts a CA with ${title} and reads it as node does`, () => {
      const { ca } = known(id);
      const node = new X509Certificate(ca.der);
      assert.equal(ca.serialHex, node.serialNumber.toLowerCase());
      assert.equal(ca.sha256, node.fingerprint256.replaceAll(":", "").toLowerCase());
      assert.equal(ca.pem.trim(), node.toString().trim());
      assert.equal(ca.notBeforeMs, node.validFromDate.getTime());
      assert.equal(ca.notAfterMs, node.validToDate.getTime());
      assert.deepEqual(ca.spkiDer, node.publicKey.export({ type: "spki", format: "der" }));
      assert.equal(ca.isCa, node.ca);
      assert.equal(ca.pathLen, 0);
      assert.equal(ca.keyUsageBits & KEY_USAGE.keyCertSign, KEY_USAGE.keyCertSign);
      checkCanSign(ca);
      const root = readFileSync(join(bench.dir, `${id}-root.pem`));
      verifySignedBy(parseCertificate(ca.der), new X509Certificate(root).publicKey);
    });
  }

  it("CERT-PROFILE: the key identifier is the SKI's whatever made it, SHA-1 of the key only without one", () => {
    const sha1 = (spkiDer: Buffer) => hash("sha1", spkiDer.subarray(-65), "hex");
    assert.equal(known("go").ca.skiKeyId.toString("hex"), "3c1f8a5e0b7d2946c8e1f0a3b5d7926481ace0f3");
    const { skiKeyId, spkiDer, hasSki } = known("noski").ca;
    assert.deepEqual([hasSki, skiKeyId.toString("hex")], [false, sha1(spkiDer)]);
    assert.equal(known("sha1").ca.skiKeyId.toString("hex"), sha1(known("sha1").ca.spkiDer));
  });

  it("CERT-PROFILE reads a serial of 21 octets and both kinds of strings", () => {
    assert.equal(known("go").ca.serialHex.length, 40);
    const tags = (id: string) => [...new Set(parseName(known(id).ca.subjectDer).map(({ tag }) => tag))];
    assert.deepEqual([tags("go"), tags("sha1")], [[0x13], [0x0c]]);
  });

  it("CERT-PROFILE accepts a root without a path length", () => {
    const root = parseCaCertificate(new X509Certificate(readFileSync(join(bench.dir, "go-root.pem"))).raw);
    assert.deepEqual([root.isCa, root.pathLen], [true, undefined]);
    assert.deepEqual(root.issuerDer, root.subjectDer);
  });

  it("CERT-PROFILE accepts SKIs of 1 to 64 bytes", async () => {
    for (const bytes of [1, 32, 64]) {
      const id = `ski${bytes}`;
      const ski = `subjectKeyIdentifier=${"ab".repeat(bytes)}`;
      const { ca } = await makeCa(bench, { ...PLAIN_ORIGIN, id, ski });
      assert.equal(ca.skiKeyId.length, bytes);
    }
    const ski = `subjectKeyIdentifier=${"ab".repeat(65)}`;
    const build = makeCa(bench, { ...PLAIN_ORIGIN, id: "ski65", ski });
    await assert.rejects(build, { control: "CERT-PROFILE", code: "malformed" });
  });

  it("CERT-PROFILE refuses an end entity as a CA, and says so of usages that cannot sign", async () => {
    const cases = [
      "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n",
      "basicConstraints=CA:TRUE\n",
      "keyUsage=critical,keyCertSign\n",
    ];
    for (const extensions of cases) {
      const ca = parseCaCertificate(await selfSigned(bench, extensions));
      assertRefused(() => checkCanSign(ca), "CERT-PROFILE", "certificate");
    }
  });

  it("CERT-PROFILE refuses a CA with a critical extension that nobody here understands", async () => {
    const constrained = "basicConstraints=critical,CA:TRUE\nnameConstraints=critical,permitted;DNS:example.org\n";
    const der = await selfSigned(bench, constrained);
    assertRefused(() => parseCaCertificate(der), "CERT-PROFILE", "certificate");
  });

  it("CERT-PROFILE refuses a CA whose key breaks the key policy", async () => {
    for (const newKey of ["rsa:1024", "ec -pkeyopt ec_paramgen_curve:secp256k1", "ed25519"]) {
      const der = await selfSigned(bench, "basicConstraints=critical,CA:TRUE\n", newKey);
      assertRefused(() => parseCaCertificate(der), "CERT-PROFILE", "certificate");
    }
  });

  it("CERT-PROFILE refuses a CA with any one bit flipped, or its signature no longer verifies", () => {
    const { ca, id } = known("go");
    const rootKey = new X509Certificate(readFileSync(join(bench.dir, `${id}-root.pem`))).publicKey;
    for (let bit = 0; bit < ca.der.length * 8; bit++) {
      const flipped = Buffer.from(ca.der);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const refusal = refusalOf(() => {
        parseCaCertificate(flipped);
        verifySignedBy(parseCertificate(flipped), rootKey);
      });
      assert.equal(refusal.control, "CERT-PROFILE");
    }
  });

  it("CERT-PROFILE: the algorithm of issued certificates follows the CA's key", async () => {
    const algorithms: [string, string][] = [
      ["sha1", "ecdsa-with-SHA256"],
      ["p384", "ecdsa-with-SHA384"],
      ["rsa", "sha256WithRSAEncryption"],
    ];
    for (const [id, algorithm] of algorithms) {
      const { ca, key } = known(id);
      await bench.write("copy.der", issue(resigned(ca.der, ca.signingAlgorithmDer), { ca, key }));
      const text = await bench.tool("openssl", "x509", "-inform", "DER", "-in", "copy.der", "-noout", "-text");
      assert.equal(text.match(new RegExp(`Signature Algorithm: ${algorithm}`, "g"))?.length, 2);
    }
  });
});

/** The certificate's TBS with another algorithm inside. */
function resigned(der: Buffer, algorithm: Buffer): Buffer {
  const { tbsDer, signatureAlgorithmDer } = parseCertificate(der);
  const content = tbsDer.subarray(4);
  const at = content.indexOf(signatureAlgorithmDer);
  const after = content.subarray(at + signatureAlgorithmDer.length);
  const changed = Buffer.concat([content.subarray(0, at), algorithm, after]);
  return Buffer.concat([Buffer.of(0x30, 0x82, changed.length >> 8, changed.length & 0xff), changed]);
}

async function selfSigned(
  bench: Bench,
  extensions: string,
  newKey = "ec -pkeyopt ec_paramgen_curve:P-256",
): Promise<Buffer> {
  await bench.write(
    "self.cnf",
    `[req]\nprompt=no\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\nCN=x\n[ext]\n${extensions}`,
  );
  await bench.tool(
    "sh",
    "-c",
    `openssl req -x509 -newkey ${newKey} -nodes -config self.cnf -keyout self.key -out self.pem`,
  );
  return new X509Certificate(readFileSync(join(bench.dir, "self.pem"))).raw;
}
