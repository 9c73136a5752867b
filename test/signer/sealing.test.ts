import assert from "node:assert/strict";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { SignerStatus, SplitShares } from "../../src/hsm/messages.ts";
import { type SharePurpose, sealShare } from "../../src/hsm/share-envelope.ts";
import { runTool } from "../../src/sandbox/programs.ts";
import { MARKER_FILE } from "../../src/signer/pin-guard.ts";
import { SPLIT_FILE } from "../../src/signer/pin-split.ts";
import { type InProcessSigner, startInProcess } from "./in-process.ts";
import {
  type CeremonyOutcome,
  deviceTbs,
  leadCeremony,
  makeSignerSite,
  NO_HEAD,
  type SignerSite,
  untilStatus,
} from "./signer-site.ts";

const MINUTE_MS = 60_000;

function isDual(pattern: RegExp) {
  return { control: "DUAL-CONTROL", message: pattern };
}

describe("sealing and unsealing the signer", function () {
  this.timeout(60_000);
  let site: SignerSite;
  let ceremony: CeremonyOutcome;
  let shares: SplitShares;
  let signer: InProcessSigner;
  let plainConfig: string;
  const clock = { ms: Date.now(), nowMs: () => clock.ms };
  const typed: (Buffer | undefined)[] = [];
  const askPin = async () => typed.shift();

  const useSource = (source: "prompt" | "shares") =>
    writeFile(site.configFile, plainConfig.replace(/pin_file = .*/, `pin = "${source}"`));

  const split = async (needed: number, total: number): Promise<SplitShares> => {
    const made = await signer.client.splitPin(needed, total);
    await signer.client.confirmSplit(made.id);
    return made;
  };

  before(async () => {
    site = await makeSignerSite();
    plainConfig = await readFile(site.configFile, "utf8");
    await useSource("shares");
    typed.push(Buffer.from(site.token.pin));
    signer = await startInProcess(site, true, { askPin });
    await untilStatus(signer.client, ({ state }) => state === "ready");
    ceremony = await leadCeremony(site, signer.client);
    shares = await split(2, 3);
    await signer.close();
  });

  after(() => site.remove());

  beforeEach(async () => {
    await useSource("shares");
    signer = await startInProcess(site, false, { clock, askPin });
  });

  afterEach(async () => {
    await signer.close();
    await rm(join(dirname(site.ledgerFile), MARKER_FILE), { force: true });
  });

  const envelopeOf = async (
    index: number,
    options: { from?: SplitShares; purpose?: SharePurpose; value?: string } = {},
  ): Promise<Buffer> => {
    const { from = shares, purpose = "unseal" } = options;
    const value = options.value ?? from.values[index - 1] ?? "";
    const { sealing } = await signer.client.status();
    return sealShare(Buffer.from(sealing?.shareKey ?? "", "base64"), {
      purpose,
      round: Buffer.from(sealing?.[purpose]?.round ?? "", "hex"),
      splitNumber: from.number,
      splitId: Buffer.from(from.id, "hex"),
      index,
      value: Buffer.from(value, "base64"),
    });
  };
  const present = async (index: number, options = {}) =>
    await signer.client.presentShare("unseal", await envelopeOf(index, options));
  const rehearse = async (index: number) =>
    await signer.client.presentShare("rehearse", await envelopeOf(index, { purpose: "rehearse" }));
  const state = async () => (await signer.client.status()).state;
  const heldOf = ({ sealing }: SignerStatus) => sealing?.unseal?.held ?? [];
  const signOne = () => signer.client.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
  const unsealWith = async (...indices: number[]) => {
    for (const index of indices) await present(index);
    return await signer.client.unseal();
  };

  for (const pair of [
    [1, 2],
    [3, 1],
    [2, 3],
  ] as const) {
    it(`DUAL-CONTROL comes back sealed and is ready with shares ${pair.join(" and ")}`, async () => {
      const before = await signer.client.status();
      assert.equal(before.state, "sealed");
      assert.match(before.reason ?? "", /custodians must present their shares/);
      await assert.rejects(signOne(), { control: "KEY-CAPTIVE", code: "needs-person" });
      assert.equal((await unsealWith(...pair)).state, "ready");
      await signOne();
    });
  }

  it("DUAL-CONTROL does not unseal with one share, nor with the same one twice", async () => {
    assert.equal(await present(1), 1);
    await assert.rejects(signer.client.unseal(), isDual(/Too few shares/));
    await assert.rejects(present(1), isDual(/presented already/));
    assert.equal(await state(), "sealed");
    assert.deepEqual(heldOf(await signer.client.status()), [1]);
  });

  it("DUAL-CONTROL refuses a wrong share by name, keeps the right ones, and presents nothing to the token", async () => {
    await present(1);
    const wrong = Buffer.from(shares.values[1] ?? "", "base64");
    wrong[5] = (wrong[5] ?? 0) ^ 1;
    await assert.rejects(present(2, { value: wrong.toString("base64") }), isDual(/damaged, mistyped or forged/));
    await assert.rejects(present(3, { value: shares.values[1] }), isDual(/damaged, mistyped or forged/));
    await assert.rejects(present(9, { value: shares.values[1] }), isDual(/damaged, mistyped or forged/));
    assert.equal((await unsealWith(2)).state, "ready");
    assert.ok(!signer.log().includes("CKR_"));
  });

  it("DUAL-CONTROL refuses what is no share to this signer", async () => {
    const envelope = await envelopeOf(1);
    for (const at of [0, 40, envelope.length - 1]) {
      const flipped = Buffer.from(envelope);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      await assert.rejects(signer.client.presentShare("unseal", flipped), isDual(/encrypted to this signer/));
    }
    await assert.rejects(signer.client.presentShare("unseal", Buffer.alloc(7)), isDual(/encrypted to this signer/));
  });

  it("DUAL-CONTROL refuses a recorded share in a later attempt, and one that was given to rehearse", async () => {
    const recorded = [await envelopeOf(1), await envelopeOf(2)];
    const rehearsed = await envelopeOf(3, { purpose: "rehearse" });
    await unsealWith(1, 2);
    await signer.client.seal();
    for (const envelope of recorded) {
      await assert.rejects(signer.client.presentShare("unseal", envelope), isDual(/earlier attempt/));
    }
    await assert.rejects(signer.client.presentShare("unseal", rehearsed), isDual(/something else/));
    assert.equal(await state(), "sealed");
  });

  it("DUAL-CONTROL forgets a half-done unsealing after 15 minutes and says so to who comes too late", async () => {
    await present(1);
    const late = await envelopeOf(2);
    clock.ms += 15 * MINUTE_MS - 1;
    assert.deepEqual(heldOf(await signer.client.status()), [1]);
    clock.ms += 1;
    await assert.rejects(signer.client.presentShare("unseal", late), isDual(/lapsed/));
    assert.deepEqual(heldOf(await signer.client.status()), []);
    assert.equal((await unsealWith(2, 1)).state, "ready");
  });

  it("DUAL-CONTROL is not stretched by a clock that is set back", async () => {
    await present(1);
    clock.ms -= 16 * MINUTE_MS;
    assert.deepEqual(heldOf(await signer.client.status()), []);
  });

  it("DUAL-CONTROL rehearses with enough shares, sealed or not, and unseals nothing by it", async () => {
    assert.equal(await rehearse(1), 1);
    assert.equal(await rehearse(3), 2);
    assert.equal(await state(), "sealed");
    await unsealWith(1, 2);
    assert.equal(await rehearse(2), 1);
    assert.equal(await rehearse(1), 2);
    await assert.rejects(present(3), isDual(/not sealed/));
    assert.equal(await state(), "ready");
  });

  it("DUAL-CONTROL seals at once: PIN forgotten, children gone, and no reload brings them back", async () => {
    await unsealWith(1, 2);
    await signOne();
    assert.equal((await signer.client.seal()).state, "sealed");
    await assert.rejects(signOne(), { control: "KEY-CAPTIVE", code: "needs-person", message: /custodian has sealed/ });
    await assert.rejects(signer.client.reload(), { control: "KEY-CAPTIVE", code: "needs-person" });
    await assert.rejects(signer.client.unseal(), isDual(/Too few shares/));
    assert.equal(await state(), "sealed");
    const pids = (await readFile(`/proc/${process.pid}/task/${process.pid}/children`, "utf8"))
      .split(" ")
      .filter(Boolean);
    const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
    assert.ok(commands.every((command) => !command.includes("token-child")));
    assert.equal((await unsealWith(2, 3)).state, "ready");
  });

  it("DUAL-CONTROL survives the death of a child, but not that of the parent", async () => {
    await unsealWith(1, 2);
    await signer.untilReady(1);
    await signer.killChildren();
    await untilStatus(signer.client, ({ state }) => state === "ready");
    await signOne();
    await signer.close();
    signer = await startInProcess(site, false, { clock, askPin });
    assert.equal(await state(), "sealed");
  });

  it("DUAL-CONTROL splits the PIN in ceremony mode alone", async () => {
    await unsealWith(1, 2);
    await assert.rejects(signer.client.splitPin(2, 3), { control: "DUAL-CONTROL", code: "forbidden" });
    await assert.rejects(signer.client.confirmSplit(shares.id), isDual(/No split of this id/));
  });

  it("KEY-CAPTIVE presents a PIN that the token refused once, though the same shares come again", async () => {
    const marker = join(dirname(site.ledgerFile), MARKER_FILE);
    // As when somebody changed the token's PIN with the vendor's tool and nobody split the new one.
    await changePin(site, site.token.pin, "99887766");
    try {
      await assert.rejects(unsealWith(1, 2), { control: "KEY-CAPTIVE", message: /refused the PIN/ });
      // Written before every presentation: untouched, it says that there was none.
      const { mtimeNs } = await stat(marker, { bigint: true });
      await assert.rejects(unsealWith(1, 3), { control: "KEY-CAPTIVE", message: /refused the PIN/ });
      assert.equal((await stat(marker, { bigint: true })).mtimeNs, mtimeNs);
      assert.equal(await state(), "sealed");
    } finally {
      await changePin(site, "99887766", site.token.pin);
    }
  });

  it("DUAL-CONTROL retires older shares by name once the new split is confirmed, and not before", async () => {
    await signer.close();
    typed.push(Buffer.from(site.token.pin));
    signer = await startInProcess(site, true, { clock, askPin });
    await untilStatus(signer.client, ({ state }) => state === "ready");
    const unconfirmed = await signer.client.splitPin(2, 2);
    assert.equal((await signer.client.status()).sealing?.split?.id, shares.id);
    await assert.rejects(rehearseOf(unconfirmed, 1), isDual(/does not know/));
    const old = shares;
    shares = await split(3, 4);
    assert.equal(shares.number, old.number + 1);
    await signer.close();
    signer = await startInProcess(site, false, { clock, askPin });
    await assert.rejects(present(1, { from: old }), isDual(/older split; split 2 has retired it/));
    await present(1);
    await present(4);
    await assert.rejects(signer.client.unseal(), isDual(/Too few shares/));
    assert.equal((await unsealWith(2)).state, "ready");
    await signOne();
  });

  const rehearseOf = async (from: SplitShares, index: number) =>
    await signer.client.presentShare("rehearse", await envelopeOf(index, { from, purpose: "rehearse" }));

  it("KEY-CAPTIVE takes a PIN typed at the console, asks again when the token refuses it, and after sealing", async () => {
    await signer.close();
    await useSource("prompt");
    const questions: string[] = [];
    const answers = [Buffer.from("00000000"), Buffer.from(site.token.pin), Buffer.from(site.token.pin), undefined];
    const ask = async (why: string) => {
      questions.push(why);
      return answers[questions.length - 1];
    };
    signer = await startInProcess(site, false, { askPin: ask });
    await untilStatus(signer.client, ({ state }) => state === "ready");
    assert.match(questions[0] ?? "", /typed at the signer's own console/);
    assert.match(questions[1] ?? "", /refused the PIN/);
    await assert.rejects(signer.client.unseal(), isDual(/not sealed/));
    await signer.client.seal();
    await untilStatus(signer.client, ({ state }) => state === "ready");
    assert.match(questions[2] ?? "", /custodian has sealed/);
    await signer.client.seal();
    assert.equal(await state(), "sealed");
    await assert.rejects(signer.client.unseal(), isDual(/own console/));
  });

  it("KEY-CAPTIVE is sealed and unsealed by custodians also where the PIN is a file", async () => {
    await signer.close();
    await writeFile(site.configFile, plainConfig);
    signer = await startInProcess(site);
    await untilStatus(signer.client, ({ state }) => state === "ready");
    await signer.client.seal();
    await assert.rejects(signer.client.reload(), { control: "KEY-CAPTIVE", message: /custodian has sealed/ });
    await assert.rejects(signOne(), { control: "KEY-CAPTIVE" });
    assert.equal((await signer.client.unseal()).state, "ready");
    await signOne();
  });

  it("SECRET-SILENT leaves PIN and shares in no file of the signer's and in no line of its log", async () => {
    await unsealWith(1, 2, 3);
    const secrets = [Buffer.from(site.token.pin), ...shares.values.map((value) => Buffer.from(value, "base64"))];
    const names = await readdir(site.directory, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    assert.ok(files.some((file) => file.endsWith(SPLIT_FILE)));
    const texts = [...(await Promise.all(files.map((file) => readFile(file)))), Buffer.from(signer.log())];
    for (const secret of secrets) {
      for (const form of [secret, Buffer.from(secret.toString("hex")), Buffer.from(secret.toString("base64"))]) {
        assert.ok(texts.every((text) => !text.includes(form)));
      }
    }
  });
});

async function changePin({ token }: SignerSite, pin: string, newPin: string): Promise<void> {
  const args = ["--module", token.module, "--token-label", token.label, "--login", "--pin", pin];
  await runTool("pkcs11-tool", [...args, "--change-pin", "--new-pin", newPin], token.environment);
}
