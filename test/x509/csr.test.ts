import assert from "node:assert/strict";
import { hash, sign } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseClientCsr, parseDeviceCsr, verifyCsrProof } from "../../src/x509/csr.ts";
import { encodeSequence, encodeTlv } from "../../src/x509/der.ts";
import { parsePublicKey } from "../../src/x509/key-policy.ts";
import { encodePem, parsePem } from "../../src/x509/pem.ts";
import {
  cppSubject,
  FACTORY,
  fixedKey,
  goSubject,
  makeCsr,
  NO_ATTRIBUTES,
  p256Key,
  p384Key,
  RULES,
  rsaKey,
  signCsrInfo,
  type TestKey,
  UUID,
} from "./make-csr.ts";
import { KEYS, MALFORMED_CSRS, ODD_BUT_HARMLESS, SIGNATURES, STRUCTURE } from "./malformed-csr.ts";
import { type Bench, openBench } from "./openssl.ts";
import { assertRefused, refusalOf } from "./refusals.ts";

const VECTORS = join(import.meta.dirname, "../vectors/device-register");

interface Recorded {
  readonly file: string;
  readonly uuid: string;
  readonly pem: string;
}

function recordedCsrs(): Recorded[] {
  return readdirSync(VECTORS)
    .filter((file) => file.endsWith(".json"))
    .map((file) => {
      const { uuid, csr } = JSON.parse(readFileSync(join(VECTORS, file), "utf8"));
      return { file, uuid, pem: csr };
    });
}

function accept(der: Buffer, uuid = UUID) {
  const csr = parseDeviceCsr(der, { ...RULES, uuid });
  verifyCsrProof(csr);
  return csr;
}

describe("device CSRs", () => {
  let bench: Bench;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  for (const { file, uuid, pem } of recordedCsrs()) {
    it(`CSR-PROOF, CSR-SUBJECT and CSR-KEY accept the recorded ${file}, as openssl does`, async () => {
      const der = parsePem(pem, "CERTIFICATE REQUEST");
      const csr = accept(der, uuid);
      assert.equal(csr.isProduction, file.startsWith("production"));
      assert.deepEqual([csr.uuid, csr.factory, csr.keyKind], [uuid, FACTORY, "P-256"]);
      assert.equal(csr.csrSha256, hash("sha256", der));
      assert.equal(csr.spkiSha256, hash("sha256", csr.spkiDer));
      const path = await bench.write("recorded.pem", pem);
      const text = await bench.tool("openssl", "req", "-in", path, "-verify", "-noout", "-subject");
      assert.match(text, /verify OK/);
      assert.ok(text.includes(`CN = ${uuid}`));
      const spki = await bench.tool("sh", "-c", "openssl req -in recorded.pem -pubkey -noout");
      assert.deepEqual(parsePem(spki, "PUBLIC KEY"), csr.spkiDer);
    });
  }

  const shapes: [string, Parameters<typeof makeCsr>[1]][] = [
    ["the C++ client's shape", {}],
    ["the C++ client's shape in production", { subject: cppSubject(UUID, FACTORY, true) }],
    ["fioup's shape", { subject: goSubject(), attributes: NO_ATTRIBUTES }],
    ["fioup's shape in production", { subject: goSubject(UUID, FACTORY, true), attributes: NO_ATTRIBUTES }],
  ];
  for (const [title, recipe] of shapes) {
    it(`CSR-SUBJECT accepts ${title} and copies its bytes verbatim, as openssl reads them`, async () => {
      const der = makeCsr(p256Key(), recipe);
      const csr = accept(der);
      assert.deepEqual(csr.subjectDer, recipe?.subject ?? cppSubject());
      assert.equal(csr.isProduction, title.endsWith("production"));
      const path = await bench.write("shape.der", der);
      const text = await bench.tool("openssl", "req", "-inform", "DER", "-in", path, "-verify", "-noout");
      assert.match(text, /verify OK/);
    });
  }

  it("CSR-SUBJECT accepts a CSR that openssl made with PrintableStrings, in fioup's order", async () => {
    await bench.write(
      "fioup.cnf",
      `[req]\nprompt=no\nstring_mask=default\ndistinguished_name=dn\n[dn]\nOU=${FACTORY}\nCN=${UUID}\nbusinessCategory=production\n`,
    );
    await bench.tool(
      "sh",
      "-c",
      "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -config fioup.cnf -out fioup.pem",
    );
    const csr = accept(parsePem(readFileSync(join(bench.dir, "fioup.pem"), "utf8"), "CERTIFICATE REQUEST"));
    assert.deepEqual(csr.subjectDer, goSubject(UUID, FACTORY, true));
    assert.equal(csr.isProduction, true);
  });

  for (const { title, der } of ODD_BUT_HARMLESS) {
    it(`CSR-SUBJECT accepts ${title}`, async () => {
      assert.equal(accept(der).uuid, UUID);
      const path = await bench.write("odd.der", der);
      assert.match(await bench.tool("openssl", "req", "-inform", "DER", "-in", path, "-verify", "-noout"), /verify OK/);
    });
  }

  const kinds: [string, () => TestKey, string][] = [
    ["P-384", p384Key, "P-384"],
    ["RSA of 2048 bits", () => rsaKey(2048), "RSA"],
    ["RSA of 3072 bits", () => rsaKey(3072), "RSA"],
    ["RSA of 4096 bits", () => rsaKey(4096), "RSA"],
  ];
  for (const [title, makeKey, kind] of kinds) {
    it(`CSR-KEY accepts ${title} where the configuration allows it and refuses it elsewhere`, () => {
      const der = makeCsr(makeKey());
      assert.equal(accept(der).keyKind, kind);
      const refusal = assertRefused(() => parseDeviceCsr(der, { ...RULES, allowedKeys: ["P-256"] }), "CSR-KEY", "csr");
      assert.match(refusal.message, /not allowed at this site/);
    });
  }

  it("CSR-KEY accepts a P-384 key with ecdsa-with-SHA256, openssl's default", () => {
    const key = p384Key();
    const { algorithm } = fixedKey("any");
    assert.equal(accept(makeCsr(key, { algorithm, hash: "sha256" })).keyKind, "P-384");
  });

  it("CSR-KEY refuses P-256 where only RSA is allowed", () => {
    assertRefused(() => parseDeviceCsr(makeCsr(p256Key()), { ...RULES, allowedKeys: ["RSA"] }), "CSR-KEY", "csr");
  });

  for (const { title, control, der, says } of MALFORMED_CSRS) {
    it(`${control} refuses ${title}`, () => {
      const refusal = assertRefused(() => parseDeviceCsr(der, RULES), control);
      assert.match(refusal.field, /^(csr|uuid)$/);
      assert.match(refusal.message, says ?? /./);
    });
  }

  for (const { title, spki } of KEYS) {
    if (spki === undefined) continue;
    it(`CSR-KEY refuses ${title}, whatever signed the CSR`, () => {
      assertRefused(() => parsePublicKey(spki), "CSR-KEY", "csr");
    });
  }

  it("CSR-SUBJECT refuses a request uuid that is no lower-case UUID, or another, under the field uuid", () => {
    const der = makeCsr(p256Key());
    const parse = (uuid: string) => () => parseDeviceCsr(der, { ...RULES, uuid });
    for (const uuid of ["", "x", UUID.toUpperCase(), `${UUID} `]) {
      assert.match(assertRefused(parse(uuid), "CSR-SUBJECT", "uuid").message, /lower case/);
    }
    const refusal = assertRefused(parse(UUID.replace("5", "6")), "CSR-SUBJECT", "uuid");
    assert.match(refusal.message, /not the CSR's CN/);
  });

  it("CSR-KEY refuses a CSR cut short at every byte", () => {
    const der = makeCsr(p256Key());
    for (let length = 0; length < der.length; length++) {
      assertRefused(() => parseDeviceCsr(der.subarray(0, length), RULES), "CSR-KEY", "csr");
    }
  });

  it("CSR-PROOF refuses a CSR that another key signed", () => {
    const key = p256Key();
    const der = makeCsr(key, { spki: p256Key().spkiDer });
    const csr = parseDeviceCsr(der, RULES);
    assertRefused(() => verifyCsrProof(csr), "CSR-PROOF", "csr");
  });

  it("CSR-PROOF refuses a signature over another subject", () => {
    const key = p256Key();
    const other = parseDeviceCsr(makeCsr(key, { subject: goSubject() }), RULES);
    const csr = parseDeviceCsr(makeCsr(key, { signature: other.signatureDer }), RULES);
    assertRefused(() => verifyCsrProof(csr), "CSR-PROOF", "csr");
  });

  it("CSR-PROOF refuses an RSA signature of all zeros", () => {
    const csr = parseDeviceCsr(makeCsr(rsaKey(), { signature: Buffer.alloc(256) }), RULES);
    assertRefused(() => verifyCsrProof(csr), "CSR-PROOF", "csr");
  });

  it("CSR-SUBJECT's sentences never repeat what was sent", () => {
    const canary = "SUPERCANARY";
    const der = makeCsr(p256Key(), { subject: cppSubject(UUID, canary) });
    const refusal = refusalOf(() => parseDeviceCsr(der, RULES));
    assert.ok(!refusal.message.includes(canary));
  });
});

describe("line clients' CSRs", () => {
  const key = fixedKey("line client");

  it("CSR-PROOF accepts any subject and any attributes of a client, and takes the key alone", () => {
    const challenge = encodeSequence(Buffer.of(0x06, 0x01, 0x2a), Buffer.of(0x31, 0x02, 0x05, 0x00));
    const der = makeCsr(key, {
      subject: encodeSequence(),
      attributes: Buffer.concat([Buffer.of(0xa0, challenge.length), challenge]),
    });
    const csr = parseClientCsr(der);
    assert.deepEqual(csr.spkiDer, key.spkiDer);
    assert.equal(csr.spkiSha256, hash("sha256", key.spkiDer));
    assert.equal(csr.csrSha256, hash("sha256", der));
  });

  it("CSR-KEY accepts a client's CSR of 4,096 bytes and refuses one of 4,097", () => {
    // An RSA signature always has the same size.
    const rsa = rsaKey();
    const withFiller = (bytes: number) => {
      const values = encodeTlv(0x31, encodeTlv(0x04, Buffer.alloc(bytes)));
      return makeCsr(rsa, { attributes: encodeTlv(0xa0, encodeSequence(Buffer.of(0x06, 0x01, 0x2a), values)) });
    };
    const filler = 3_000 + 4_096 - withFiller(3_000).length;
    assert.equal(withFiller(filler).length, 4_096);
    assert.deepEqual(parseClientCsr(withFiller(filler)).spkiDer, rsa.spkiDer);
    assertRefused(() => parseClientCsr(withFiller(filler + 1)), "CSR-KEY", "csr");
  });

  it("CSR-PROOF refuses a client's CSR that another key signed", () => {
    assertRefused(() => parseClientCsr(makeCsr(key, { spki: p256Key().spkiDer })), "CSR-PROOF", "csr");
  });

  it("CSR-KEY refuses a client's key of a kind that is not allowed", () => {
    assertRefused(() => parseClientCsr(makeCsr(rsaKey()), ["P-256"]), "CSR-KEY", "csr");
  });

  for (const { title, der } of [...STRUCTURE, ...SIGNATURES, ...KEYS]) {
    it(`CSR-KEY refuses a client's CSR with ${title}`, () => {
      assertRefused(() => parseClientCsr(der), "CSR-KEY", "csr");
    });
  }

  it("CSR-KEY refuses a client's CSR whose ignored subject is not DER", () => {
    const info = encodeSequence(Buffer.of(2, 1, 0, 0x30, 0x03, 0x31, 0x80, 0x00), key.spkiDer, NO_ATTRIBUTES);
    assertRefused(() => parseClientCsr(signCsrInfo(key, info)), "CSR-KEY", "csr");
  });
});

describe("every bit of 20 valid CSRs", function () {
  this.timeout(120_000);
  const shapes: [string, NonNullable<Parameters<typeof makeCsr>[1]>][] = [
    ["the C++ client's CSR", {}],
    ["the C++ client's production CSR", { subject: cppSubject(UUID, FACTORY, true) }],
    ["fioup's CSR", { subject: goSubject(), attributes: NO_ATTRIBUTES }],
    ["fioup's production CSR", { subject: goSubject(UUID, FACTORY, true), attributes: NO_ATTRIBUTES }],
    ["a CSR in the C++ client's order that requests no extensions", { attributes: NO_ATTRIBUTES }],
  ];
  const keys: [string, TestKey][] = [
    ["P-256", fixedKey("bits 1")],
    ["P-384", p384Key()],
    ["RSA", rsaKey()],
  ];
  const cases = keys.flatMap(([kind, key]) =>
    shapes.map(([shape, recipe]) => ({ title: `${shape}, ${kind}`, key, recipe })),
  );
  const recorded = recordedCsrs();

  it("are at least 20", () => {
    assert.ok(cases.length + recorded.length >= 20, `${cases.length} made and ${recorded.length} recorded`);
  });

  for (const { title, key, recipe } of cases) {
    it(`CSR-PROOF, CSR-SUBJECT and CSR-KEY refuse ${title}, with any one bit flipped`, () => {
      assertNoFlipAccepted(makeCsr(key, recipe), UUID);
    });
  }

  it("CSR-PROOF, CSR-SUBJECT and CSR-KEY refuse the recorded CSRs with any one bit flipped", () => {
    for (const { pem, uuid } of recorded) assertNoFlipAccepted(parsePem(pem, "CERTIFICATE REQUEST"), uuid);
  });

  it("CSR-PROOF refuses a client's CSR with any one bit flipped", () => {
    const der = makeCsr(fixedKey("bits 4"));
    for (const flipped of bitFlips(der)) refusalOf(() => parseClientCsr(flipped));
  });

  it("CSR-KEY refuses the PEM text with any one bit flipped, or it decodes to the same bytes", () => {
    const der = makeCsr(fixedKey("bits 5"));
    const pem = Buffer.from(encodePem(der, "CERTIFICATE REQUEST"));
    let same = 0;
    for (const flipped of bitFlips(pem)) {
      const refused = refusedText(flipped.toString("latin1"), der);
      same += refused ? 0 : 1;
    }
    // White space around the block is the only freedom: the final LF may become another blank.
    assert.ok(same <= 2, `${same} flips changed nothing`);
  });
});

function* bitFlips(bytes: Buffer): Generator<Buffer> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield flipped;
  }
}

function assertNoFlipAccepted(der: Buffer, uuid: string): void {
  accept(der, uuid);
  for (const flipped of bitFlips(der)) refusalOf(() => accept(flipped, uuid));
}

/** Whether the text is refused as PEM or as a CSR; an accepted one must decode to the original. */
function refusedText(text: string, original: Buffer): boolean {
  const decoded = decodeOrUndefined(text);
  if (decoded?.equals(original)) return false;
  refusalOf(() => accept(parsePem(text, "CERTIFICATE REQUEST")));
  return true;
}

function decodeOrUndefined(text: string): Buffer | undefined {
  try {
    return parsePem(text, "CERTIFICATE REQUEST");
  } catch {
    return undefined;
  }
}

describe("one signature, many encodings", () => {
  it("CSR-KEY refuses every padded form of a right signature", () => {
    const key = fixedKey("padding");
    const info = parseDeviceCsr(makeCsr(key), RULES).infoDer;
    const signature = sign("sha256", info, key.privateKey);
    const [r, s] = [signature.subarray(2, 4 + signature.readUInt8(3)), signature.subarray(4 + signature.readUInt8(3))];
    const padded = Buffer.concat([Buffer.of(2, r.length - 1, 0), r.subarray(2)]);
    for (const variant of [
      encodeSequence(padded, s),
      Buffer.concat([Buffer.of(0x30, 0x81, signature.length - 2), signature.subarray(2)]),
      Buffer.concat([signature, Buffer.of(0)]),
      Buffer.concat([Buffer.of(0x30, 0x80), signature.subarray(2), Buffer.alloc(2)]),
    ]) {
      assertRefused(() => parseDeviceCsr(signCsrInfo(key, info, { signature: variant }), RULES), "CSR-KEY", "csr");
    }
  });
});
