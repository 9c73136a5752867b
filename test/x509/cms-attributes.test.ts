import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { encodeSignedAttributes, parseSignedAttributes, type SignedAttributes } from "../../src/x509/cms-attributes.ts";
import {
  DerError,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  encodeUnsignedInteger,
} from "../../src/x509/der.ts";
import { OID } from "../../src/x509/oids.ts";
import { openBench } from "./openssl.ts";
import { assertRefused, refusalOf } from "./refusals.ts";

const digest = createHash("sha256").update("bundle").digest();
const ledgerHash = createHash("sha256").update("ledger").digest();
const plain: SignedAttributes = { messageDigest: digest, ledgerCount: 41_880, ledgerHash };

const attribute = (type: string, ...values: Buffer[]) => encodeSequence(encodeOid(type), encodeSetOf(...values));
const contentType = attribute(OID.contentType, encodeOid(OID.data));
const messageDigest = attribute(OID.messageDigest, encodeOctetString(digest));
const ledgerValue = (...parts: Buffer[]) => attribute(OID.ledgerAttribute, encodeSequence(...parts));
const ledger = ledgerValue(encodeUnsignedInteger(41_880), encodeOctetString(ledgerHash));
const time = (text: string) => attribute(OID.signingTime, encodeTlv(0x17, Buffer.from(text)));

describe("signed attributes", () => {
  it("BUNDLE-SIG: every value survives", () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
    const seconds = fc.integer({ min: 0, max: 4_000_000_000 });
    const attributes = fc.record(
      {
        messageDigest: hash,
        ledgerCount: fc.maxSafeNat(),
        ledgerHash: hash,
        signingTimeMs: seconds.map((s) => s * 1000),
      },
      { requiredKeys: ["messageDigest", "ledgerCount", "ledgerHash"] },
    );
    fc.assert(
      fc.property(attributes, (given) => {
        const { signingTimeMs, ...rest } = given;
        const expected: SignedAttributes = signingTimeMs === undefined ? rest : { ...rest, signingTimeMs };
        assert.deepEqual(parseSignedAttributes(encodeSignedAttributes(expected)), expected);
      }),
    );
  });

  it("BUNDLE-SIG: openssl reads a SET in DER order with the four attributes", async () => {
    const bench = await openBench();
    try {
      await bench.write(
        "attrs.der",
        encodeSignedAttributes({ ...plain, signingTimeMs: Date.UTC(2026, 10, 23, 2, 35, 11) }),
      );
      const text = await bench.tool("openssl", "asn1parse", "-inform", "DER", "-in", "attrs.der");
      const found = text.match(/SET|OBJECT +:\S+|UTCTIME +:\S+|INTEGER +:\S+|OCTET STRING +\S*/g) ?? [];
      assert.ok(text.includes("contentType"));
      assert.ok(text.includes("signingTime") && text.includes("261123023511Z"));
      assert.ok(text.includes("1.3.6.1.4.1.58888.1.2") && text.includes("A398"));
      assert.ok(text.includes(digest.toString("hex").toUpperCase()));
      assert.equal(found[0], "SET");
    } finally {
      await bench.close();
    }
  });

  const cases: [string, Buffer][] = [
    ["no attributes", encodeSetOf()],
    ["no ledger attribute", encodeSetOf(contentType, messageDigest)],
    ["no message digest", encodeSetOf(contentType, ledger)],
    ["no content type", encodeSetOf(messageDigest, ledger)],
    ["another content type", encodeSetOf(attribute(OID.contentType, encodeOid(OID.signedData)), messageDigest, ledger)],
    [
      "a digest of 20 bytes",
      encodeSetOf(contentType, attribute(OID.messageDigest, encodeOctetString(digest.subarray(12))), ledger),
    ],
    [
      "two digests in one attribute",
      encodeSetOf(
        contentType,
        attribute(OID.messageDigest, encodeOctetString(digest), encodeOctetString(ledgerHash)),
        ledger,
      ),
    ],
    ["the digest twice", encodeSetOf(contentType, messageDigest, messageDigest, ledger)],
    ["the ledger twice", encodeSetOf(contentType, messageDigest, ledger, ledger)],
    [
      "an unknown attribute",
      encodeSetOf(contentType, messageDigest, ledger, attribute("1.2.3", encodeOctetString(digest))),
    ],
    [
      "a negative count",
      encodeSetOf(contentType, messageDigest, ledgerValue(Buffer.of(2, 1, 0xff), encodeOctetString(ledgerHash))),
    ],
    [
      "a count of 8 octets",
      encodeSetOf(
        contentType,
        messageDigest,
        ledgerValue(encodeUnsignedInteger(Buffer.alloc(8, 1)), encodeOctetString(ledgerHash)),
      ),
    ],
    [
      "a count above 2^53",
      encodeSetOf(
        contentType,
        messageDigest,
        ledgerValue(encodeUnsignedInteger(Buffer.alloc(7, 0x7f)), encodeOctetString(ledgerHash)),
      ),
    ],
    [
      "a third part in the ledger attribute",
      encodeSetOf(
        contentType,
        messageDigest,
        ledgerValue(encodeUnsignedInteger(1), encodeOctetString(ledgerHash), encodeUnsignedInteger(1)),
      ),
    ],
    ["another order", encodeTlv(0x31, ledger, messageDigest, contentType)],
    ["the tag of a SignerInfo", Buffer.concat([Buffer.of(0xa0), encodeSignedAttributes(plain).subarray(1)])],
    ["a byte after the SET", Buffer.concat([encodeSignedAttributes(plain), Buffer.of(0)])],
    ["an impossible time", encodeSetOf(contentType, messageDigest, ledger, time("269923023511Z"))],
    ["noise", Buffer.from("0102030405", "hex")],
    ["no bytes", Buffer.alloc(0)],
  ];
  for (const [title, der] of cases) {
    it(`BUNDLE-SIG refuses signed attributes with ${title}`, () => {
      assertRefused(() => parseSignedAttributes(der), "BUNDLE-SIG");
      assertRefused(() => parseSignedAttributes(der, "SIGNER-GATE"), "SIGNER-GATE");
    });
  }

  it("BUNDLE-SIG refuses any one bit flipped, or reads another digest, count, hash or time from it", () => {
    const der = encodeSignedAttributes({ ...plain, signingTimeMs: Date.UTC(2026, 10, 23) });
    const original = JSON.stringify(parseSignedAttributes(der));
    let accepted = 0;
    for (let bit = 0; bit < der.length * 8; bit++) {
      const flipped = Buffer.from(der);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const read = readOrRefuse(flipped);
      assert.notEqual(read, original);
      accepted += read === "refused" ? 0 : 1;
    }
    assert.ok(accepted >= 2 * 256 && accepted < 2 * 256 + 100);
  });

  it("encoding refuses hashes of another size", () => {
    assert.throws(() => encodeSignedAttributes({ ...plain, messageDigest: digest.subarray(1) }), DerError);
    assert.throws(() => encodeSignedAttributes({ ...plain, ledgerHash: Buffer.alloc(0) }), DerError);
    assert.throws(() => encodeSignedAttributes({ ...plain, ledgerCount: -1 }), DerError);
  });
});

function readOrRefuse(der: Buffer): string {
  try {
    return JSON.stringify(parseSignedAttributes(der));
  } catch (error) {
    refusalOf(() => {
      throw error;
    });
    return "refused";
  }
}
