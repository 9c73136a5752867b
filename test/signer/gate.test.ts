import assert from "node:assert/strict";
import { verify } from "node:crypto";
import type { KeyLabel } from "../../src/hsm/messages.ts";
import type { CeremonySigner } from "../../src/hsm/signer-client.ts";
import { parseLedgerLine } from "../../src/signer/ledger-line.ts";
import { buildDeviceCaCsrInfo } from "../../src/x509/ca-csr.ts";
import { encodeSignedAttributes } from "../../src/x509/cms-attributes.ts";
import { importPublicKey } from "../../src/x509/key-policy.ts";
import { buildClientTbs, buildServerTbs } from "../../src/x509/line-template.ts";
import { HostileClient } from "./hostile-client.ts";
import {
  APPLIANCE,
  bundleTbs,
  type CeremonyOutcome,
  deviceTbs,
  FACTORY,
  holdCeremony,
  lineCaTbs,
  makeDeviceCa,
  makeSignerSite,
  makeSpki,
  NO_HEAD,
  type RunningProgram,
  readLedgerLines,
  type SignerSite,
  spkiOf,
} from "./signer-site.ts";

const DIGEST = Buffer.alloc(32, 1);
const REFUSED = { control: "SIGNER-GATE", code: "malformed" };

describe("the signer's gate, over its socket", function () {
  this.timeout(120_000);
  let site: SignerSite;
  let ceremony: CeremonyOutcome;
  let program: RunningProgram;
  let signer: CeremonySigner;

  before(async () => {
    site = await makeSignerSite();
    ceremony = await holdCeremony(site);
    program = await site.start();
    signer = site.connect();
  });

  after(async () => {
    signer.close();
    await program.stop();
    await site.remove();
  });

  const keyOf = (label: KeyLabel) => spkiOf(ceremony.status, label);
  const parts = () => ({ spkiDer: makeSpki(), serial: Buffer.alloc(20, 0x55), notBeforeMs: Date.now(), ...END });
  const END = { notAfterMs: Date.now() + 86_400_000 };
  const clientTbs = () =>
    buildClientTbs(ceremony.lineCa, { appliance: APPLIANCE, role: "station", name: "s1", ...parts() });
  const serverTbs = () => buildServerTbs(ceremony.lineCa, { appliance: APPLIANCE, names: ["localhost"], ...parts() });

  async function attributes(change: { count?: number; hash?: Buffer } = {}): Promise<Buffer> {
    const { ledger } = await signer.status();
    return encodeSignedAttributes({
      messageDigest: DIGEST,
      ledgerCount: change.count ?? ledger.certificates,
      ledgerHash: change.hash ?? Buffer.from(ledger.hash, "hex"),
    });
  }

  const accepted: readonly (readonly [string, KeyLabel, string, () => Buffer | Promise<Buffer>])[] = [
    ["a device certificate", "device-ca", "device", () => deviceTbs(ceremony.deviceCa)],
    ["the bundle certificate", "device-ca", "bundle", () => bundleTbs(ceremony.deviceCa, keyOf("bundle-sign"))],
    ["a server certificate", "line-ca", "server", () => serverTbs()],
    ["a client certificate", "line-ca", "client", () => clientTbs()],
    ["signed attributes with the ledger's own state", "bundle-sign", "bundle-attributes", () => attributes()],
  ];
  for (const [what, key, profile, build] of accepted) {
    it(`SIGNER-GATE signs ${what} with ${key} and notes it in the ledger`, async () => {
      const before = (await signer.status()).ledger;
      const tbs = await build();
      const { signature, ledger } = await signer.sign(key, tbs, NO_HEAD);
      assert.ok(verify("sha256", tbs, importPublicKey(keyOf(key)), signature));
      const line = parseLedgerLine(`${(await readLedgerLines(site))[ledger - 1]}\n`);
      assert.equal(line?.n, before.number + 1);
      assert.deepEqual([line?.profile, line?.signed?.key, line?.prev], [profile, key, before.hash]);
      assert.equal(line?.certificates, before.certificates + (key === "device-ca" ? 1 : 0));
    });
  }

  const ca = () => ceremony.deviceCa;
  const refused: readonly (readonly [string, KeyLabel, () => Buffer | Promise<Buffer>])[] = [
    ["a CA certificate under the device CA", "device-ca", () => lineCaTbs(makeSpki())],
    ["the line CA's own certificate again", "line-ca", () => lineCaTbs(keyOf("line-ca"))],
    ["a device certificate of another issuer", "device-ca", () => deviceTbs(makeDeviceCa(keyOf("device-ca")))],
    ["a device certificate with the line CA", "line-ca", () => deviceTbs(ca())],
    ["a client certificate with the device CA", "device-ca", () => clientTbs()],
    ["a server certificate with the device CA", "device-ca", () => serverTbs()],
    ["a bundle certificate over the requester's key", "device-ca", () => bundleTbs(ca(), makeSpki())],
    ["a bundle certificate over the device CA's key", "device-ca", () => bundleTbs(ca(), keyOf("device-ca"))],
    ["a device certificate over the bundle key", "device-ca", () => deviceTbs(ca(), keyOf("bundle-sign"))],
    ["a device certificate over the CA's own key", "device-ca", () => deviceTbs(ca(), keyOf("device-ca"))],
    ["a device certificate with a byte after it", "device-ca", () => Buffer.concat([deviceTbs(ca()), Buffer.alloc(1)])],
    ["a device certificate without its last byte", "device-ca", () => deviceTbs(ca()).subarray(0, -1)],
    ["another factory's device certificate", "device-ca", () => replace(deviceTbs(ca()), FACTORY, "evil")],
    ["the device CA's CSR", "device-ca", () => csrInfo(keyOf("device-ca"))],
    ["a certificate with the bundle key", "bundle-sign", () => deviceTbs(ca())],
    ["a digest", "device-ca", () => DIGEST],
    ["a digest with the bundle key", "bundle-sign", () => DIGEST],
    ["nothing", "device-ca", () => Buffer.alloc(0)],
    [
      "attributes with one certificate too few",
      "bundle-sign",
      async () => attributes({ count: (await state()).certificates - 1 }),
    ],
    [
      "attributes with one certificate too many",
      "bundle-sign",
      async () => attributes({ count: (await state()).certificates + 1 }),
    ],
    ["attributes with another ledger's hash", "bundle-sign", () => attributes({ hash: DIGEST })],
  ];
  const state = async () => (await signer.status()).ledger;

  for (const [what, key, build] of refused) {
    it(`SIGNER-GATE refuses ${what}, and nothing is signed or noted`, async () => {
      const before = await state();
      await assert.rejects(signer.sign(key, await build(), NO_HEAD), REFUSED);
      assert.deepEqual(await state(), before);
    });
  }

  it("SIGNER-GATE refuses attributes that were true a moment ago", async () => {
    const tbs = await attributes();
    await signer.sign("device-ca", deviceTbs(ca()), NO_HEAD);
    await assert.rejects(signer.sign("bundle-sign", tbs, NO_HEAD), REFUSED);
  });

  it("SIGNER-GATE lets one of several seals through when all state the same ledger", async () => {
    const tbs = await attributes();
    const before = await state();
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => signer.sign("bundle-sign", tbs, NO_HEAD)));
    assert.equal(answers.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await state()).number, before.number + 1);
  });

  it("SIGNER-GATE lets no seal pass beside device certificates that its count leaves out", async () => {
    const tbs = await attributes();
    const before = await state();
    const devices = Array.from({ length: 20 }, () => signer.sign("device-ca", deviceTbs(ca()), NO_HEAD));
    const seal = await signer.sign("bundle-sign", tbs, NO_HEAD).catch(() => undefined);
    await Promise.all(devices);
    const lines = (await readLedgerLines(site)).slice(before.number).map((text) => parseLedgerLine(`${text}\n`));
    const seals = lines.filter((line) => line?.profile === "bundle-attributes");
    assert.deepEqual(
      seals.map((line) => [line?.n, line?.prev, line?.certificates]),
      seal === undefined ? [] : [[seal.ledger, before.hash, before.certificates]],
    );
    assert.equal((await state()).certificates, before.certificates + 20);
  });

  it("SIGNER-GATE makes and signs nothing of the ceremony outside it", async () => {
    const before = await state();
    const forbidden = { control: "SIGNER-GATE", code: "forbidden" };
    await assert.rejects(signer.generateKeys(), forbidden);
    await assert.rejects(signer.beginEpoch(NO_HEAD, (await signer.status()).ledger), forbidden);
    await assert.rejects(signer.signCeremony("device-ca", csrInfo(keyOf("device-ca"))), forbidden);
    await assert.rejects(signer.signCeremony("line-ca", lineCaTbs(keyOf("line-ca"))), forbidden);
    assert.deepEqual(await state(), before);
  });

  describe("and a peer that does not keep to the protocol", () => {
    const sign = (change: Record<string, unknown>) => {
      const tbs = deviceTbs(ca()).toString("base64");
      return JSON.stringify({ id: 7, op: "sign", key: "device-ca", tbs, head: NO_HEAD, ...change });
    };
    const messages: readonly (readonly [string, number, () => string])[] = [
      ["an unknown operation", 7, () => sign({ op: "sign-anything" })],
      ["an unknown key", 7, () => sign({ key: "root-ca" })],
      ["a digest instead of bytes", 7, () => sign({ tbs: undefined, digest: DIGEST.toString("base64") })],
      ["a further member", 7, () => sign({ mechanism: "CKM_ECDSA" })],
      ["bytes that are no base64", 7, () => sign({ tbs: "%%%%" })],
      ["a head without a hash", 7, () => sign({ head: { seq: 1 } })],
      ["a negative sequence number", 7, () => sign({ head: { seq: -1, hash: NO_HEAD.hash } })],
      ["an id that is no number", 0, () => sign({ id: "7" })],
      ["a list", 0, () => "[]"],
      ["null", 0, () => "null"],
    ];
    for (const [what, id, text] of messages) {
      it(`SIGNER-GATE answers ${what} with a named refusal and hangs up`, async () => {
        const before = await state();
        const peer = new HostileClient(site.socket);
        peer.sendText(text());
        const answer = await peer.next();
        assert.deepEqual(answer, { ...answer, id, ok: false, ...REFUSED });
        await peer.closed();
        assert.deepEqual(await state(), before);
      });
    }

    const frames: readonly (readonly [string, Uint8Array])[] = [
      ["a frame of 64 KiB and a byte", lengthPrefix(64 * 1024 + 1)],
      ["a frame of 4 GiB", lengthPrefix(0xffffffff)],
      ["text that is no JSON", Buffer.concat([lengthPrefix(4), Buffer.from("{]}{")])],
      ["an empty frame", lengthPrefix(0)],
    ];
    for (const [what, bytes] of frames) {
      it(`SIGNER-GATE hangs up on ${what}, and others are served on`, async () => {
        const peer = new HostileClient(site.socket);
        peer.sendBytes(bytes);
        assert.equal(await peer.next(), undefined);
        await peer.closed();
        await signer.sign("device-ca", deviceTbs(ca()), NO_HEAD);
      });
    }

    it("SIGNER-GATE answers each of many requests in one write, and by its own id", async () => {
      const peer = new HostileClient(site.socket);
      const ids = Array.from({ length: 50 }, (_, i) => 1_000 - i);
      for (const id of ids) peer.sendText(sign({ id }));
      const answers = new Set<number>();
      while (answers.size < ids.length) {
        const answer = await peer.next();
        assert.ok(answer?.ok);
        answers.add(answer.id);
      }
      assert.deepEqual(answers, new Set(ids));
      await peer.close();
    });

    it("SIGNER-GATE serves a request that comes byte by byte", async () => {
      const peer = new HostileClient(site.socket);
      const text = Buffer.from(JSON.stringify({ id: 3, op: "status" }));
      for (const byte of Buffer.concat([lengthPrefix(text.length), text])) peer.sendBytes(Buffer.of(byte));
      assert.equal((await peer.next())?.id, 3);
      await peer.close();
    });
  });
});

describe("the ceremony's gate", function () {
  this.timeout(120_000);
  let site: SignerSite;
  let program: RunningProgram;
  let signer: CeremonySigner;
  const ONCE = { control: "SIGNER-GATE", code: "conflict" };

  before(async () => {
    site = await makeSignerSite();
    program = await site.start("--ceremony");
    signer = site.connect();
  });

  after(async () => {
    signer.close();
    await program.stop();
    await site.remove();
  });

  const keyOf = async (label: KeyLabel) => spkiOf(await signer.status(), label);
  const linesOf = async (profile: string) =>
    (await readLedgerLines(site)).filter((line) => line.includes(`"profile":"${profile}"`)).length;

  it("SIGNER-GATE signs nothing before there are keys", async () => {
    await assert.rejects(signer.signCeremony("line-ca", lineCaTbs(makeSpki())), { control: "SIGNER-GATE" });
    await assert.rejects(signer.sign("device-ca", DIGEST, NO_HEAD), { control: "SIGNER-GATE" });
    assert.equal((await signer.status()).ledger.number, 0);
  });

  it("KEY-CAPTIVE makes three keys that pkcs11-tool shows as sensitive and never extractable", async () => {
    const keys = await signer.generateKeys();
    assert.deepEqual(
      keys.map(({ label, sensitive, alwaysSensitive, extractable, neverExtractable }) => ({
        ...{ label, sensitive, alwaysSensitive, extractable, neverExtractable },
      })),
      ["device-ca", "bundle-sign", "line-ca"].map((label) => ({
        ...{ label, sensitive: true, alwaysSensitive: true, extractable: false, neverExtractable: true },
      })),
    );
    const listed = (await site.token.pkcs11Tool("--list-objects", "--type", "privkey")).split("Private Key Object");
    assert.equal(listed.length, 4);
    for (const text of listed.slice(1)) {
      assert.match(text, /Access:\s+sensitive, always sensitive, never extract\w*, local/);
      assert.match(text, /Usage:.*sign/);
    }
  });

  it("SIGNER-GATE makes the keys once", async () => {
    await assert.rejects(signer.generateKeys(), ONCE);
    assert.equal((await signer.status()).state, "ready");
  });

  it("SIGNER-GATE refuses a ceremony certificate or CSR over another key", async () => {
    const foreign = makeSpki();
    await assert.rejects(signer.signCeremony("line-ca", lineCaTbs(foreign)), REFUSED);
    await assert.rejects(signer.signCeremony("line-ca", lineCaTbs(await keyOf("device-ca"))), REFUSED);
    await assert.rejects(signer.signCeremony("device-ca", csrInfo(foreign)), REFUSED);
    await assert.rejects(signer.signCeremony("device-ca", lineCaTbs(await keyOf("device-ca"))), REFUSED);
    assert.equal((await signer.status()).ledger.number, 0);
  });

  it("SIGNER-GATE signs one device-CA CSR and one line-CA certificate, however many ask at once", async () => {
    const info = csrInfo(await keyOf("device-ca"));
    const tbs = lineCaTbs(await keyOf("line-ca"));
    const answers = await Promise.allSettled([
      ...Array.from({ length: 4 }, () => signer.signCeremony("device-ca", info)),
      ...Array.from({ length: 4 }, () => signer.signCeremony("line-ca", tbs)),
    ]);
    assert.equal(answers.filter(({ status }) => status === "fulfilled").length, 2);
    assert.deepEqual([await linesOf("ceremony-csr"), await linesOf("ceremony-line-ca")], [1, 1]);
  });

  it("SIGNER-GATE refuses a second ceremony after a restart too: the ledger remembers", async () => {
    await program.stop();
    program = await site.start("--ceremony");
    await assert.rejects(signer.generateKeys(), ONCE);
    await assert.rejects(signer.signCeremony("device-ca", csrInfo(await keyOf("device-ca"), "fio-other")), ONCE);
    await assert.rejects(signer.signCeremony("line-ca", lineCaTbs(await keyOf("line-ca"))), ONCE);
    assert.deepEqual([await linesOf("ceremony-csr"), await linesOf("ceremony-line-ca")], [1, 1]);
  });

  it("SIGNER-GATE signs the ceremony's very same bytes again, for a crash may have lost the signature", async () => {
    await signer.signCeremony("device-ca", csrInfo(await keyOf("device-ca")));
    assert.equal(await linesOf("ceremony-csr"), 2);
  });
});

function csrInfo(spkiDer: Buffer, commonName = "fio-test"): Buffer {
  return buildDeviceCaCsrInfo({ commonName, factory: FACTORY, spkiDer });
}

function lengthPrefix(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** The last place alone: the first is the issuer's. */
function replace(bytes: Buffer, text: string, other: string): Buffer {
  const copy = Buffer.from(bytes);
  copy.write(other, copy.lastIndexOf(text), "latin1");
  return copy;
}
