import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Refusal } from "../../src/refusal.ts";
import { VERIFY_COMMAND } from "../../src/transfer/bundle-files.ts";
import {
  type BundleSignatureParts,
  encodeBundleSignature,
  parseBundleSignature,
  verifyBundleSignature,
} from "../../src/transfer/bundle-signature.ts";
import { encodeSignedAttributes } from "../../src/x509/cms-attributes.ts";
import { encodePem, parsePem } from "../../src/x509/pem.ts";
import { makePki, type SoftwareKey, YEAR_MS } from "../support/software-pki.ts";

const run = promisify(execFile);
const SUMS = Buffer.from(`${"a".repeat(64)}  MANIFEST.JSON\n${"b".repeat(64)}  RECORDS.NDJSON\n`);

describe("transfer/bundle-signature", function () {
  this.timeout(60_000);
  const pki = makePki();
  const trust = { root: pki.root, deviceCaSha256s: [pki.deviceCa.sha256] };
  const parts = signWith(pki.bundleKey, pki.bundleCertificateDer);
  const pem = encodeBundleSignature(parts);

  function signWith(key: SoftwareKey, certificateDer: Buffer, sums: Buffer = SUMS): BundleSignatureParts {
    const signedAttrsDer = encodeSignedAttributes({
      messageDigest: createHash("sha256").update(sums).digest(),
      ledgerCount: 41_902,
      ledgerHash: Buffer.alloc(32, 7),
    });
    return {
      signedAttrsDer,
      signature: sign("sha256", signedAttrsDer, key.privateKey),
      certificateDer,
      caDer: pki.deviceCa.der,
    };
  }

  function refuse(signature: string, sums: Buffer = SUMS, otherTrust = trust): void {
    assert.throws(
      () => verifyBundleSignature(sums, signature, otherTrust),
      (error) => error instanceof Refusal && error.control === "BUNDLE-SIG",
    );
  }

  /** The printed command's first half; resolves with what openssl says. */
  async function judge(signature: string, rootPem: string): Promise<{ code: number; said: string }> {
    const directory = await mkdtemp(join(tmpdir(), "airlock-cms-"));
    try {
      await writeFile(join(directory, "SHA256SUMS"), SUMS);
      await writeFile(join(directory, "SHA256SUMS.P7S"), signature);
      await writeFile(join(directory, "root.pem"), rootPem);
      const [command = ""] = VERIFY_COMMAND.replace("/etc/airlock/factory-root.pem", "root.pem").split(" && ");
      const { stderr } = await run("sh", ["-c", command], { cwd: directory });
      return { code: 0, said: stderr };
    } catch (error) {
      const { code, stderr } = error as { code: number; stderr: string };
      return { code, said: stderr };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  it("BUNDLE-SIG accepts what it writes, tells the ledger's state, and openssl agrees", async () => {
    assert.deepEqual(parseBundleSignature(pem), parts);
    const verified = verifyBundleSignature(SUMS, pem, trust);
    assert.deepEqual(verified.ledger, { count: 41_902, hash: "07".repeat(32) });
    assert.deepEqual(await judge(pem, pki.root.pem), { code: 0, said: "CMS Verification successful\n" });
  });

  it("BUNDLE-SIG refuses every single-bit change of the CMS", () => {
    const der = parsePem(pem, "CMS");
    for (let bit = 0; bit < der.length * 8; bit++) refuse(encodePem(flip(der, bit), "CMS"));
  });

  it("BUNDLE-SIG refuses every single-bit change of SHA256SUMS", () => {
    for (let bit = 0; bit < SUMS.length * 8; bit++) refuse(pem, flip(SUMS, bit));
  });

  it("BUNDLE-SIG refuses every PEM text but the one that it writes", () => {
    const others = [
      "",
      ` ${pem}`,
      `${pem}\n`,
      pem.replaceAll("\n", "\r\n"),
      pem.replaceAll("CMS", "PKCS7"),
      pem + pem,
      pem.slice(0, -1),
    ];
    for (const other of others) refuse(other);
  });

  it("BUNDLE-SIG refuses a bundle signed with a device's key, here and in openssl", async () => {
    const device = pki.issueDevice({ uuid: "0b5d7e0a-0000-4000-8000-000000000000" });
    const forged = encodeBundleSignature(signWith(device.key, device.der));
    refuse(forged);
    const { code, said } = await judge(forged, pki.root.pem);
    assert.notEqual(code, 0);
    assert.match(said, /unsuitable certificate purpose/);
  });

  it("BUNDLE-SIG refuses the signature of another site under the same root's name, here and in openssl", async () => {
    const other = makePki();
    const forged = encodeBundleSignature({
      ...signWith(other.bundleKey, other.bundleCertificateDer),
      caDer: other.deviceCa.der,
    });
    refuse(forged);
    refuse(forged, SUMS, { ...trust, deviceCaSha256s: [other.deviceCa.sha256] });
    assert.notEqual((await judge(forged, pki.root.pem)).code, 0);
  });

  it("BUNDLE-SIG refuses a sibling site's signature, though openssl with the common root alone accepts it", async () => {
    const sibling = makePki({ under: pki });
    const forged = encodeBundleSignature({
      ...signWith(sibling.bundleKey, sibling.bundleCertificateDer),
      caDer: sibling.deviceCa.der,
    });
    refuse(forged);
    assert.equal((await judge(forged, pki.root.pem)).code, 0);
    assert.equal(
      verifyBundleSignature(SUMS, forged, { ...trust, deviceCaSha256s: [sibling.deviceCa.sha256] }).ledger.count,
      41_902,
    );
  });

  it("BUNDLE-SIG refuses another pinned root or another pinned device CA than the bundle's", () => {
    const other = makePki();
    refuse(pem, SUMS, { ...trust, root: other.root });
    refuse(pem, SUMS, { ...trust, deviceCaSha256s: ["0".repeat(64)] });
  });

  it("BUNDLE-SIG refuses the right certificate over another key's signature", () => {
    refuse(encodeBundleSignature(signWith(pki.deviceCaKey, pki.bundleCertificateDer)));
  });

  it("BUNDLE-SIG refuses a bundle certificate that the device CA did not sign", () => {
    const other = makePki();
    refuse(encodeBundleSignature(signWith(other.bundleKey, other.bundleCertificateDer)));
  });

  it("BUNDLE-SIG refuses a CMS of another make over the same bytes with the same key", async () => {
    const directory = await mkdtemp(join(tmpdir(), "airlock-cms-"));
    try {
      const file = (name: string) => join(directory, name);
      await writeFile(file("sums"), SUMS);
      await writeFile(file("key.pem"), pki.bundleKey.privateKey.export({ format: "pem", type: "pkcs8" }));
      await writeFile(file("cert.pem"), encodePem(pki.bundleCertificateDer, "CERTIFICATE"));
      await writeFile(file("ca.pem"), pki.deviceCa.pem);
      const options = ["-md", "sha256", "-outform", "PEM", "-certfile", file("ca.pem"), "-out", file("p7s")];
      const signer = ["-signer", file("cert.pem"), "-inkey", file("key.pem")];
      await run("openssl", ["cms", "-sign", "-binary", "-in", file("sums"), ...signer, ...options]);
      const { stdout: foreign } = await run("cat", [file("p7s")]);
      assert.equal((await judge(foreign, pki.root.pem)).code, 0);
      refuse(foreign);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("BUNDLE-SIG stays verifiable by openssl as long as the CA lives, whenever it was signed", async () => {
    const old = makePki({ notBeforeMs: Date.now() - 9 * YEAR_MS, notAfterMs: Date.now() + 1000 * 60 });
    const signature = encodeBundleSignature({
      ...signWith(old.bundleKey, old.bundleCertificateDer),
      caDer: old.deviceCa.der,
    });
    assert.equal((await judge(signature, old.root.pem)).code, 0);
  });
});

function flip(bytes: Buffer, bit: number): Buffer {
  const other = Buffer.from(bytes);
  other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return other;
}
