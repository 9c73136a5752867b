import assert from "node:assert/strict";
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { SocketAddress } from "node:net";
import fc from "fast-check";
import { isOnCurve, P256, P384 } from "../../src/x509/curve.ts";
import {
  checkDerTree,
  DerError,
  encodeOid,
  encodeSequence,
  encodeTlv,
  encodeUnsignedInteger,
  readOid,
  readTlv,
  readUnsignedInteger,
} from "../../src/x509/der.ts";
import { encodeIpAddress } from "../../src/x509/ip-address.ts";
import { readKeyBits } from "../../src/x509/key-policy.ts";
import { encodeName, parseName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { ecdsaDerToRaw, ecdsaRawToDer } from "../../src/x509/signature.ts";
import { encodeTime, parseTime } from "../../src/x509/time.ts";

describe("DER", () => {
  it("CSR-KEY: lengths of every form survive, and only in their one form", () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const tlv = encodeTlv(0x04, Buffer.alloc(length, 7));
      assert.equal(readTlv(tlv, 0x04).content.length, length);
    }
    const padded = ["04810100", "0482007f", "048300ffff", "0484000000017f", "0480", "04", "0401"];
    for (const hex of padded) assert.throws(() => readTlv(Buffer.from(hex, "hex")), DerError);
  });

  it("CSR-KEY: OIDs and unsigned integers survive", () => {
    for (const oid of Object.values(OID)) assert.equal(readOid(readTlv(encodeOid(oid))), oid);
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const bytes = readUnsignedInteger(readTlv(encodeUnsignedInteger(value)));
        assert.equal(Number(`0x${bytes.toString("hex")}`), value);
      }),
    );
  });

  it("CSR-KEY refuses a tree that is nested too deeply, before the stack ends", () => {
    const nest = (depth: number) =>
      Array.from({ length: depth }).reduce<Buffer>((inner) => encodeTlv(0x30, inner), Buffer.alloc(0));
    checkDerTree(nest(12));
    assert.throws(() => checkDerTree(nest(14)), DerError);
    assert.throws(() => checkDerTree(nest(20_000)), DerError);
  });
});

describe("times", () => {
  const inRange = fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(9999, 11, 31, 23, 59, 59) / 1000 });

  it("CERT-PROFILE: whole seconds from 1950 to 9999 survive, in the type that their year calls for", () => {
    fc.assert(
      fc.property(inRange, (seconds) => {
        const der = encodeTime(seconds * 1000 + 999);
        assert.equal(parseTime(readTlv(der)), seconds * 1000);
        const year = new Date(seconds * 1000).getUTCFullYear();
        assert.equal(der[0], year < 2050 ? 0x17 : 0x18);
      }),
    );
  });

  it("CERT-PROFILE: the turn of 2050 is second-exact", () => {
    assert.equal(encodeTime(Date.UTC(2049, 11, 31, 23, 59, 59)).toString("latin1", 2), "491231235959Z");
    assert.equal(encodeTime(Date.UTC(2050, 0, 1)).toString("latin1", 2), "20500101000000Z");
  });

  it("CERT-PROFILE refuses every other form of a time", () => {
    const utc = [
      "",
      "2701010000Z",
      "270101000000",
      "270101000000+0000",
      "270230000000Z",
      "270101240000Z",
      "270101006000Z",
      "270101000060Z",
      "27010100000 Z",
      "2701010000000",
      "270001000000Z",
      "271301000000Z",
      "2/0101000000Z",
    ];
    const generalized = [
      "20270101000000Z",
      "20500101000000.5Z",
      "2050010100Z",
      "20500101000000",
      "00500101000000Z",
      "20500132000000Z",
    ];
    for (const text of utc) assert.throws(() => parseTime(readTlv(encodeTlv(0x17, Buffer.from(text)))), DerError, text);
    for (const text of generalized)
      assert.throws(() => parseTime(readTlv(encodeTlv(0x18, Buffer.from(text)))), DerError, text);
    assert.throws(() => parseTime(readTlv(encodeTlv(0x0c, Buffer.from("270101000000Z")))), DerError);
    for (const ms of [Number.NaN, Date.UTC(1949, 11, 31), Date.UTC(10_000, 0)])
      assert.throws(() => encodeTime(ms), DerError);
  });
});

describe("ECDSA signatures", () => {
  for (const [namedCurve, size] of [
    ["P-256", 32],
    ["P-384", 48],
  ] as const) {
    it(`CERT-PROFILE: r||s of ${namedCurve} becomes the DER that openssl verifies, and back`, () => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
      for (let i = 0; i < 100; i++) {
        const message = Buffer.of(i);
        const raw = sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" });
        const der = ecdsaRawToDer(raw);
        assert.ok(verify("sha256", message, publicKey, der));
        assert.deepEqual(ecdsaDerToRaw(der, size), raw);
      }
    });
  }

  it("CERT-PROFILE: small halves are padded and large ones get their sign octet", () => {
    const raw = Buffer.alloc(64);
    raw[31] = 1;
    raw.fill(0xff, 32);
    assert.equal(ecdsaRawToDer(raw).toString("hex"), `3026020101022100${"ff".repeat(32)}`);
    assert.deepEqual(ecdsaDerToRaw(ecdsaRawToDer(raw), 32), raw);
  });

  it("CERT-PROFILE refuses halves of zero and other sizes", () => {
    for (const size of [0, 1, 63, 65, 128]) assert.throws(() => ecdsaRawToDer(Buffer.alloc(size, 1)), DerError);
    assert.throws(() => ecdsaRawToDer(Buffer.alloc(64)), DerError);
    assert.throws(() => ecdsaRawToDer(Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 1)])), DerError);
    assert.throws(() => ecdsaRawToDer(Buffer.concat([Buffer.alloc(32, 1), Buffer.alloc(32)])), DerError);
    const p384 = ecdsaRawToDer(Buffer.alloc(96, 1));
    assert.throws(() => ecdsaDerToRaw(p384, 32), DerError);
  });
});

describe("names", () => {
  const attribute = fc.record({
    type: fc.constantFrom(OID.commonName, OID.organizationalUnitName, OID.businessCategory),
    value: fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
  });

  it("CSR-SUBJECT: any text survives as UTF8String, in its order", () => {
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 5 }), (attributes) => {
        const der = encodeName(attributes.map((each) => ({ ...each, string: "utf8" as const })));
        assert.deepEqual(
          parseName(der),
          attributes.map((each) => ({ ...each, tag: 0x0c })),
        );
      }),
    );
  });

  it("CSR-SUBJECT refuses characters that PrintableString does not have", () => {
    const encode = (value: string) => encodeName([{ type: OID.commonName, value, string: "printable" }]);
    assert.equal(parseName(encode("A-z 0'()+,./:=?"))[0]?.tag, 0x13);
    for (const value of ["a_b", "a@b", "a*", "\u00e9", "a&b"]) assert.throws(() => encode(value), DerError);
  });

  it("CSR-SUBJECT: an invalid UTF-8 sequence never becomes U+FFFD", () => {
    for (const hex of ["ff", "c0af", "eda080", "f4908080", "e282"]) {
      const value = encodeTlv(0x0c, Buffer.from(hex, "hex"));
      const der = encodeSequence(encodeTlv(0x31, encodeSequence(encodeOid(OID.commonName), value)));
      assert.throws(() => parseName(der), DerError);
    }
  });
});

describe("curves", () => {
  for (const [namedCurve, curve] of [
    ["P-256", P256],
    ["P-384", P384],
  ] as const) {
    it(`CSR-KEY: OpenSSL's points are on ${namedCurve}, their neighbours are not`, () => {
      for (let i = 0; i < 30; i++) {
        const { publicKey } = generateKeyPairSync("ec", { namedCurve });
        const xy = readKeyBits(publicKey.export({ type: "spki", format: "der" })).subarray(1);
        assert.ok(isOnCurve(curve, xy));
        const other = Buffer.from(xy);
        other.writeUInt8(other.readUInt8(curve.size) ^ 1, curve.size);
        assert.ok(!isOnCurve(curve, other));
      }
    });

    it(`CSR-KEY: coordinates of ${namedCurve} that are not reduced are refused`, () => {
      // x = 0 has a point on both curves when b is a square; x = p names the same one.
      const y = sqrtOf(curve.b, curve.p);
      const hex = (value: bigint) => Buffer.from(value.toString(16).padStart(2 * curve.size, "0"), "hex");
      assert.ok(isOnCurve(curve, Buffer.concat([hex(0n), hex(y)])));
      assert.ok(!isOnCurve(curve, Buffer.concat([hex(curve.p), hex(y)])));
    });
  }
});

/** A square root modulo p ≡ 3 (mod 4). */
function sqrtOf(value: bigint, p: bigint): bigint {
  let [result, base, exponent] = [1n, value, (p + 1n) / 4n];
  for (; exponent > 0n; exponent >>= 1n, base = (base * base) % p) {
    if (exponent & 1n) result = (result * base) % p;
  }
  assert.equal((result * result) % p, value);
  return result;
}

describe("IP addresses", () => {
  it("addresses become the octets that node reads back", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const octets = encodeIpAddress(text) ?? Buffer.alloc(0);
        const family = text.includes(":") ? "ipv6" : "ipv4";
        const back = new SocketAddress({ address: textOf(octets), family });
        assert.equal(back.address, new SocketAddress({ address: text, family }).address);
      }),
    );
  });

  it("known addresses have known octets, other texts have none", () => {
    assert.equal(encodeIpAddress("::")?.toString("hex"), "0".repeat(32));
    assert.equal(encodeIpAddress("::ffff:192.0.2.1")?.toString("hex"), "00000000000000000000ffffc0000201");
    assert.equal(encodeIpAddress("2001:db8::1:0:0:7")?.toString("hex"), "20010db8000000000001000000000007");
    for (const text of ["", "host", "1.2.3", "1.2.3.256", "fe80::1%eth0", "::1::2"])
      assert.equal(encodeIpAddress(text), undefined);
  });
});

function textOf(octets: Buffer): string {
  if (octets.length === 4) return [...octets].join(".");
  return octets.toString("hex").match(/.{4}/g)?.join(":") ?? "";
}
