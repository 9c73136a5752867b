import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { MARKER_FILE } from "../../src/signer/pin-guard.ts";
import { makeProxiedModule, type ProxiedModule } from "../support/pkcs11-proxy/proxied-module.ts";
import { findSoftHsm } from "../support/softhsm.ts";
import { type InProcessSigner, startInProcess } from "./in-process.ts";
import { checkAccounts, Load, type LoadReport, wrongAnswers } from "./load.ts";
import {
  type CeremonyOutcome,
  deviceTbs,
  holdCeremony,
  makeSignerSite,
  NO_HEAD,
  type SignerSite,
  untilStatus,
} from "./signer-site.ts";

const IN_FLIGHT = 16;
/** Longer than a new child needs on a busy machine, so that nothing is refused without need. */
const PATIENT_MS = 10_000;
/** Shorter, so that a child that hangs is ended while the test waits. */
const STRICT_MS = 500;

/** PKCS#11 return values after which the table in ckr.ts has the request tried again. */
const RETRIED = {
  HOST_MEMORY: 2,
  FUNCTION_FAILED: 6,
  DEVICE_REMOVED: 50,
  KEY_HANDLE_INVALID: 96,
  SESSION_CLOSED: 176,
  USER_NOT_LOGGED_IN: 257,
  "a vendor's own": 0x80000001,
};

interface Fault {
  readonly title: string;
  /** As proxy.c reads it. */
  readonly order: string;
}

/** Strike once while requests are in flight, and are over with the next session or child. */
const IN_FLIGHT_FAULTS: readonly Fault[] = [
  ...Object.entries(RETRIED).map(([name, ckr]) => ({
    title: `C_Sign answers ${name}`,
    order: `C_Sign rc ${ckr} once`,
  })),
  { title: "C_SignInit answers GENERAL_ERROR", order: "C_SignInit rc 5 once" },
  { title: "C_SignInit answers SESSION_CLOSED", order: "C_SignInit rc 176 once" },
  { title: "C_Sign signs and then answers DEVICE_ERROR", order: "C_Sign rc-after 48 once" },
  { title: "C_Sign takes its time", order: "C_Sign delay 300 once" },
  { title: "C_Sign crashes", order: "C_Sign crash 0 once" },
  { title: "C_Sign ends the process", order: "C_Sign exit 0 once" },
  { title: "C_SignInit crashes", order: "C_SignInit crash 0 once" },
];

/** Strike once while a child starts after another was killed; the one after it starts well. */
const START_FAULTS: readonly Fault[] = [
  { title: "C_Initialize crashes", order: "C_Initialize crash 0 once" },
  { title: "C_Initialize answers that somebody else did", order: "C_Initialize rc 401 once" },
  { title: "C_GetSlotList shows no token", order: "C_GetSlotList none 0 once" },
  { title: "C_GetSlotList answers GENERAL_ERROR", order: "C_GetSlotList rc 5 once" },
  { title: "C_GetTokenInfo answers DEVICE_ERROR", order: "C_GetTokenInfo rc 48 once" },
  { title: "C_OpenSession answers SESSION_COUNT", order: "C_OpenSession rc 177 once" },
  { title: "C_Login answers DEVICE_ERROR", order: "C_Login rc 48 once" },
  { title: "C_Login succeeds and then answers DEVICE_ERROR", order: "C_Login rc-after 48 once" },
  { title: "C_Login crashes", order: "C_Login crash 0 once" },
  { title: "C_FindObjectsInit answers OPERATION_ACTIVE", order: "C_FindObjectsInit rc 144 once" },
  { title: "C_FindObjects crashes", order: "C_FindObjects crash 0 once" },
  { title: "C_FindObjectsFinal fails", order: "C_FindObjectsFinal rc 6 once" },
  { title: "C_GetAttributeValue crashes", order: "C_GetAttributeValue crash 0 once" },
];

/** Have a form that the signer itself refuses; the request fails, and the next is served. */
const FORMLESS: readonly Fault[] = [
  { title: "a short signature", order: "C_Sign length 10 once" },
  { title: "an empty signature", order: "C_Sign length 0 once" },
  { title: "a signature of another curve's length", order: "C_Sign length 96 once" },
  { title: "an all-zero signature", order: "C_Sign zeros 0 once" },
  { title: "numbers outside the curve's order", order: "C_Sign ones 0 once" },
];

/** Only a verification finds these: airlockd's, of every certificate before it is stored (CERT-PROFILE). */
const WRONG: readonly Fault[] = [
  { title: "garbage in a signature's form", order: "C_Sign garbage 0 once" },
  { title: "a signature with one bit turned", order: "C_Sign flip 0 once" },
  { title: "a signature by another key", order: "C_SignInit other-key 0 once" },
];

/** What the token tells a child that starts; a person must act. */
const SEALING: readonly (Fault & { readonly reason: RegExp; readonly logins: number })[] = [
  { title: "flags its final try", order: "C_GetTokenInfo flags 131072 1", reason: /one last try/, logins: 0 },
  { title: "has locked its PIN", order: "C_GetTokenInfo flags 262144 1", reason: /locked/, logins: 0 },
  { title: "refuses the PIN", order: "C_Login rc 160 1", reason: /refused the PIN/, logins: 1 },
  { title: "locks the PIN", order: "C_Login rc 164 1", reason: /refused the PIN/, logins: 1 },
  { title: "shows an extractable key", order: "C_GetAttributeValue lie 354 1", reason: /could leave/, logins: 1 },
  {
    title: "shows a key that is not sensitive",
    order: "C_GetAttributeValue lie 259 1",
    reason: /could leave/,
    logins: 1,
  },
  { title: "tells no attribute", order: "C_GetAttributeValue unavailable 0 1", reason: /could leave/, logins: 1 },
  { title: "tells garbage", order: "C_GetAttributeValue garbage 0 1", reason: /Nothing is signed/, logins: 1 },
  { title: "shows no key", order: "C_FindObjects none 0 1", reason: /no key/, logins: 1 },
];

describe("token faults", function () {
  this.timeout(60_000);
  let proxy: ProxiedModule;
  let site: SignerSite;
  let ceremony: CeremonyOutcome;
  let signer: InProcessSigner;

  before(async () => {
    proxy = await makeProxiedModule(await findSoftHsm());
    site = await makeSignerSite({ module: proxy.path, timeoutMs: PATIENT_MS });
    ceremony = await holdCeremony(site);
  });
  after(async () => {
    await site.remove();
    await proxy.remove();
  });
  // A signer of its own for each fault: children that die in a row are restarted within a budget.
  beforeEach(async () => {
    signer = await startInProcess(site);
    await untilState("ready");
  });
  afterEach(async () => {
    await signer.close();
    await proxy.disarm();
    await rm(join(dirname(site.ledgerFile), MARKER_FILE), { force: true });
  });

  const untilState = (wanted: string) => untilStatus(signer.client, ({ state }) => state === wanted);
  const strikes = async () => (await proxy.log()).filter((line) => !line.startsWith("C_Login answer")).length;
  const logins = async () => (await proxy.log()).filter((line) => line.startsWith("C_Login answer")).length;
  const startLoad = () => new Load(signer.client, ceremony.deviceCa, IN_FLIGHT);

  /** Rides a fault out under load: armed, provoked, struck, and the token works again. */
  async function ride(order: string, provoke: () => Promise<void> = async () => undefined): Promise<LoadReport> {
    const before = await strikes();
    const load = startLoad();
    await load.more(IN_FLIGHT);
    await proxy.arm(order);
    await provoke();
    while ((await strikes()) === before) await load.more(1);
    await untilState("ready");
    await load.more(2 * IN_FLIGHT);
    return await account(load);
  }

  async function account(load: Load): Promise<LoadReport> {
    const report = await load.stop();
    checkAccounts(report, await readFile(site.ledgerFile, "latin1"));
    return report;
  }

  /** What a person does: the cause is gone, the marker of a refused PIN removed, the certificates read again. */
  async function recover(): Promise<void> {
    await proxy.disarm();
    await rm(join(dirname(site.ledgerFile), MARKER_FILE), { force: true });
    assert.equal((await signer.client.reload()).state, "ready");
  }

  for (const { title, order } of IN_FLIGHT_FAULTS) {
    it(`SIGN-LEDGER loses, refuses and answers nothing wrongly when ${title}`, async () => {
      const report = await ride(order);
      assert.deepEqual(report.refused, []);
      assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
    });
  }

  for (const { title, order } of START_FAULTS) {
    it(`SIGN-LEDGER loses and refuses nothing when a child is killed and in the next one ${title}`, async () => {
      const report = await ride(order, () => signer.killChildren());
      assert.deepEqual(report.refused, []);
      assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
    });
  }

  it("refuses exactly the request that the token cannot do, and goes on", async () => {
    const report = await ride("C_Sign rc 33 once");
    assert.deepEqual(
      report.refused.map(({ code, message }) => [code, message]),
      [["needs-person", "The HSM could not sign (CKR_DATA_LEN_RANGE). Nothing was issued."]],
    );
  });

  for (const { title, order } of FORMLESS) {
    it(`CERT-PROFILE refuses ${title} in the signer already, and writes no line for it`, async () => {
      const report = await ride(order);
      assert.deepEqual(
        report.refused.map(({ control, code }) => [control, code]),
        [["CERT-PROFILE", "away"]],
      );
      assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
    });
  }

  for (const { title, order } of WRONG) {
    it(`accounts in the ledger for ${title}, which verification finds`, async () => {
      const report = await ride(order);
      assert.deepEqual(report.refused, []);
      assert.equal(wrongAnswers(report, ceremony.deviceCa), 1);
    });
  }

  for (const [name, place] of [
    ["r", 0],
    ["s", 32],
  ] as const) {
    it(`answers a signature that verifies when ${name} begins with a zero byte`, async () => {
      const report = await ride(`C_Sign leading-zero ${place} once`);
      assert.deepEqual(report.refused, []);
      assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
      // Minimal DER leaves the zero out: SEQUENCE, INTEGER, length.
      assert.ok(report.answered.some(({ signature }) => shortest(signature) <= 32));
    });
  }

  it("KEY-CAPTIVE seals when a key turns out extractable in a new session, and signs nothing more", async () => {
    const load = startLoad();
    await load.more(IN_FLIGHT);
    await proxy.arm("C_GetAttributeValue lie 354 1");
    await assert.rejects(signer.client.reload(), { control: "KEY-CAPTIVE", code: "needs-person" });
    const { reason = "", keys } = await untilState("sealed");
    assert.match(reason, /could leave the token/);
    assert.deepEqual(keys, []);
    const report = await account(load);
    assert.ok(report.refused.every(({ code }) => code === "needs-person"));
    await recover();
  });

  for (const { title, order, reason, logins: presented } of SEALING) {
    it(`KEY-CAPTIVE seals when the token ${title}, however often it is asked, and comes back`, async () => {
      const before = await logins();
      await proxy.arm(order);
      await signer.killChildren();
      const status = await untilState("sealed");
      assert.match(status.reason ?? "", reason);
      await assert.rejects(signer.client.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD), {
        code: "needs-person",
      });
      assert.equal((await logins()) - before, presented);
      await recover();
    });
  }

  it("KEY-CAPTIVE never presents a refused PIN again: not when asked, not after a restart", async () => {
    const before = await logins();
    await proxy.arm("C_Login rc 160 1");
    await signer.killChildren();
    await untilState("sealed");
    await assert.rejects(signer.client.reload(), { control: "KEY-CAPTIVE" });
    await signer.close();
    signer = await startInProcess(site);
    await untilState("sealed");
    assert.equal((await logins()) - before, 1);
    await recover();
  });

  it("KEY-CAPTIVE lets a child finish its login when the signer stops, whatever signal the child gets", async () => {
    const before = await strikes();
    await proxy.arm("C_Login delay 500 once");
    await signer.killChildren();
    while ((await strikes()) === before) await pause(5);
    await signer.killChildren("SIGTERM");
    await signer.close();
    assert.deepEqual((await proxy.log()).slice(-2), ["C_Login delay 500", "C_Login answer 0"]);
    signer = await startInProcess(site);
    await untilState("ready");
  });

  it("is away while the token is gone and ready again when it is back", async () => {
    const load = startLoad();
    await load.more(IN_FLIGHT);
    await proxy.arm("* vanish 0 1");
    await untilState("away");
    await proxy.disarm();
    await untilState("ready");
    await load.more(IN_FLIGHT);
    const report = await account(load);
    assert.ok(report.refused.every(({ code }) => code === "away"));
    assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
  });

  it("loses nothing and answers nothing wrongly while every 40th call of C_Sign fails, each time another way", async () => {
    const load = startLoad();
    for (const order of ["C_Sign rc 176 40", "C_Sign rc 48 40", "C_Sign crash 0 40", "C_Sign length 5 40"]) {
      await proxy.arm(order);
      await load.more(60);
    }
    await proxy.disarm();
    const report = await account(load);
    assert.ok(report.refused.every(({ code }) => code === "away"));
    assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
  });

  describe("at the ceremony", () => {
    let bare: SignerSite;
    beforeEach(async () => {
      bare = await makeSignerSite({ module: proxy.path, timeoutMs: PATIENT_MS });
      await signer.close();
      signer = await startInProcess(bare, true);
      await untilState("ready");
    });
    afterEach(async () => {
      await signer.close();
      await bare.remove();
      signer = await startInProcess(site);
    });

    for (const [title, order] of [
      ["fails at the second key", "C_GenerateKeyPair rc 5 2"],
      ["makes the second key and then fails", "C_GenerateKeyPair rc-after 48 2"],
      ["is full", "C_GenerateKeyPair rc 49 1"],
    ] as const) {
      it(`KEY-CAPTIVE leaves no part of a ceremony behind when the token ${title}`, async () => {
        await proxy.arm(order);
        await assert.rejects(signer.client.generateKeys(), { code: "away" });
        await proxy.disarm();
        await untilState("ready");
        assert.equal((await signer.client.generateKeys()).length, 3);
      });
    }

    for (const order of ["C_GenerateKeyPair crash 0 once", "C_GenerateKeyPair exit 0 once"]) {
      it(`KEY-CAPTIVE makes no keys in a token that dies of it, and all of them in the next try: ${order}`, async () => {
        await proxy.arm(order);
        await assert.rejects(signer.client.generateKeys(), { code: "away" });
        await untilState("ready");
        assert.equal((await signer.client.generateKeys()).length, 3);
      });
    }
  });

  describe("that hang", () => {
    before(() => configure(site, `timeout_ms = ${PATIENT_MS}`, `timeout_ms = ${STRICT_MS}`));
    after(() => configure(site, `timeout_ms = ${STRICT_MS}`, `timeout_ms = ${PATIENT_MS}`));

    for (const order of ["C_Sign hang 0 once", "C_SignInit hang 0 once"]) {
      it(`SIGN-LEDGER loses nothing when the watchdog ends a child: ${order}`, async () => {
        const report = await ride(order);
        assert.ok(report.refused.every(({ code }) => code === "away"));
        assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
      });
    }

    for (const order of ["C_Initialize hang 0 once", "C_Login hang 0 once"]) {
      it(`SIGN-LEDGER loses nothing when the watchdog ends a child that starts: ${order}`, async () => {
        const report = await ride(order, () => signer.killChildren());
        assert.ok(report.refused.every(({ code }) => code === "away"));
        assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
      });
    }
  });

  describe("of one child among three", () => {
    before(() => configure(site, "children = 1", "children = 3"));
    after(() => configure(site, "children = 3", "children = 1"));

    for (const order of ["C_Sign crash 0 once", "C_Sign rc 48 once", "C_Sign rc 179 once"]) {
      it(`SIGN-LEDGER loses and refuses nothing: ${order}`, async () => {
        const report = await ride(order);
        assert.deepEqual(report.refused, []);
        assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
      });
    }

    it("signs with the others while one hangs", async () => {
      const before = await strikes();
      await signer.untilReady(3);
      const load = startLoad();
      await load.more(IN_FLIGHT);
      await proxy.arm("C_Sign hang 0 once");
      while ((await strikes()) === before) await load.more(1);
      await load.more(5 * IN_FLIGHT);
      assert.equal((await signer.client.status()).state, "ready");
      await signer.killChildren();
      const report = await account(load);
      assert.deepEqual(report.refused, []);
    });
  });
});

async function configure({ configFile }: SignerSite, from: string, to: string): Promise<void> {
  const text = await readFile(configFile, "utf8");
  assert.ok(text.includes(from));
  await writeFile(configFile, text.replace(from, to));
}

/** Bytes of the shorter integer of an ECDSA-Sig-Value. */
function shortest(der: Buffer): number {
  const r = der.readUInt8(3);
  return Math.min(r, der.readUInt8(5 + r));
}
