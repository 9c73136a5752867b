import assert from "node:assert/strict";
import { constants, createVerify, generateKeyPairSync, privateEncrypt, sign, verify } from "node:crypto";
import type { CaptiveKey } from "../../src/signer/captive-keys.ts";
import { hashFor, mechanismInput, x509Signature } from "../../src/signer/mechanism.ts";
import type { KeyKind } from "../../src/x509/key-kind.ts";

const TBS = Buffer.from("whole to-be-signed bytes");
const P256_ORDER = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const ONE = "1".padStart(64, "0");
const BAD_ANSWER = { control: "CERT-PROFILE", code: "away" };

function key(kind: KeyKind, bits: number): CaptiveKey {
  return {
    label: "device-ca" as const,
    index: 0,
    spkiDer: Buffer.alloc(0),
    kind,
    bits,
    facts: { label: "device-ca", count: 1 },
  };
}

const P256 = key("P-256", 256);

describe("what a token is given and what it answers", () => {
  for (const [kind, bits, namedCurve] of [
    ["P-256", 256, "P-256"],
    ["P-384", 384, "P-384"],
  ] as const) {
    it(`CERT-PROFILE turns r and s of ${kind} into a signature that verifies`, () => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
      for (let i = 0; i < 50; i++) {
        const raw = sign(hashFor(kind), TBS, { key: privateKey, dsaEncoding: "ieee-p1363" });
        assert.ok(verify(hashFor(kind), TBS, publicKey, x509Signature(key(kind, bits), raw)));
      }
    });
  }

  it("CERT-PROFILE gives an RSA mechanism the DigestInfo that PKCS #1 1.5 wants", () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    // What CKM_RSA_PKCS does: type 1 padding around whatever it is given.
    const raw = privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, mechanismInput("RSA", TBS));
    const signature = x509Signature(key("RSA", 2048), raw);
    assert.ok(createVerify("sha256").update(TBS).verify(publicKey, signature));
  });

  for (const [what, answer] of [
    ["nothing", ""],
    ["one byte less", "11".repeat(63)],
    ["one byte more", "11".repeat(65)],
    ["a P-384 signature", "11".repeat(96)],
    ["zeros", "00".repeat(64)],
    ["r = 0", "00".repeat(32) + ONE],
    ["s = 0", ONE + "00".repeat(32)],
    ["r = n", P256_ORDER + ONE],
    ["s = n", ONE + P256_ORDER],
    ["ones", "ff".repeat(64)],
  ] as const) {
    it(`CERT-PROFILE refuses ${what} as a P-256 signature`, () => {
      assert.throws(() => x509Signature(P256, Buffer.from(answer, "hex")), BAD_ANSWER);
    });
  }

  it("CERT-PROFILE takes the largest and the smallest r and s", () => {
    const largest = `${P256_ORDER.slice(0, -1)}0`;
    assert.equal(x509Signature(P256, Buffer.from(largest + ONE, "hex")).toString("hex"), `3026022100${largest}020101`);
  });

  for (const [what, length] of [
    ["a short", 255],
    ["a long", 257],
  ] as const) {
    it(`CERT-PROFILE refuses ${what} RSA signature`, () => {
      assert.throws(() => x509Signature(key("RSA", 2048), Buffer.alloc(length, 1)), BAD_ANSWER);
    });
  }

  it("CERT-PROFILE refuses an RSA signature of zeros", () => {
    assert.throws(() => x509Signature(key("RSA", 2048), Buffer.alloc(256)), BAD_ANSWER);
  });
});
