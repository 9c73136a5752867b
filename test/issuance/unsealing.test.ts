import assert from "node:assert/strict";
import type { SealingState, SignerState, SignerStatus } from "../../src/hsm/messages.ts";
import type { Signer } from "../../src/hsm/signer.ts";
import { Unsealing } from "../../src/issuance/unsealing.ts";
import { Refusal } from "../../src/refusal.ts";
import { ALICE, BOB, type CustodySite, makeCustodySite } from "../support/custody-site.ts";

const ENVELOPE = Buffer.from("unread");

/** A signer that takes any share, remembers in which order it was asked, and looks at the log when it is. */
class SignerDouble {
  state: SignerState = "sealed";
  source: SealingState["source"] = "shares";
  round = "01";
  held = 0;
  failure: Refusal | undefined;
  readonly seen: string[] = [];
  readonly #lastAct: () => Promise<string>;

  constructor(lastAct: () => Promise<string>) {
    this.#lastAct = lastAct;
  }

  readonly status = async (): Promise<SignerStatus> => ({
    ...{ state: this.state, isCeremony: false, tokenSerial: "0", keys: [] },
    ledger: { number: 0, hash: "", certificates: 0, head: { seq: 0, hash: "" } },
    sealing: {
      source: this.source,
      split: { number: 1, id: "0a1b2c3d", needed: 2, total: 3 },
      unseal: { round: this.round, held: Array.from({ length: this.held }, (_, i) => i + 1) },
      rehearse: { round: `${this.round}r`, held: [] },
    },
  });

  readonly presentShare = async (): Promise<number> => {
    if (this.failure !== undefined) throw this.failure;
    this.held += 1;
    return this.held;
  };

  readonly unseal = async (): Promise<SignerStatus> => {
    this.seen.push(`unseal after ${await this.#lastAct()}`);
    [this.held, this.round] = [0, `${this.round}1`];
    if (this.failure !== undefined) throw this.failure;
    this.state = "ready";
    return await this.status();
  };

  readonly seal = async (): Promise<SignerStatus> => {
    this.seen.push(`seal after ${await this.#lastAct()}`);
    [this.held, this.round, this.state] = [0, `${this.round}2`, "sealed"];
    return await this.status();
  };
}

describe("sealing and unsealing on record", () => {
  let site: CustodySite;
  let signer: SignerDouble;
  let unsealing: Unsealing;
  let changes: number;

  const acts = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const record of site.log.readKind("act")) found.push(record.act);
    return found;
  };

  beforeEach(async () => {
    site = await makeCustodySite();
    changes = 0;
    signer = new SignerDouble(async () => (await acts()).at(-1) ?? "");
    unsealing = makeUnsealing();
  });

  afterEach(() => site.remove());

  const makeUnsealing = () =>
    new Unsealing({ log: site.log, signer: signer as unknown as Signer, onChange: async () => (changes += 1) });
  const lastAct = async () => {
    let last: unknown;
    for await (const record of site.log.readKind("act")) last = record;
    return last as { act: string; persons?: string[]; how?: string };
  };

  it("DUAL-CONTROL records an unsealing with everybody's name before the signer hears of it", async () => {
    const first = await unsealing.present("unseal", ENVELOPE, ALICE);
    assert.deepEqual(first, { held: 1, needed: 2, isComplete: false });
    assert.equal((await acts()).includes("unseal-hsm"), false);
    const second = await unsealing.present("unseal", ENVELOPE, BOB);
    assert.deepEqual(second, { held: 2, needed: 2, isComplete: true });
    assert.deepEqual(signer.seen, ["unseal after unseal-hsm"]);
    assert.deepEqual((await lastAct()).persons, ["alice", "bob"]);
    assert.equal(changes, 1);
  });

  it("DUAL-CONTROL refuses the same person's second share before the signer sees it", async () => {
    await unsealing.present("unseal", ENVELOPE, ALICE);
    await assert.rejects(unsealing.present("unseal", ENVELOPE, ALICE), {
      control: "DUAL-CONTROL",
      code: "needs-person",
    });
    assert.equal(signer.held, 1);
  });

  it("DUAL-CONTROL counts nobody whose share the signer refused", async () => {
    signer.failure = new Refusal("DUAL-CONTROL", "malformed", "This share is wrong.");
    await assert.rejects(unsealing.present("unseal", ENVELOPE, ALICE), /wrong/);
    signer.failure = undefined;
    assert.equal((await unsealing.present("unseal", ENVELOPE, ALICE)).held, 1);
  });

  it("DUAL-CONTROL takes everybody anew after an unsealing that the token refused", async () => {
    await unsealing.present("unseal", ENVELOPE, ALICE);
    const { presentShare } = signer;
    Object.assign(signer, {
      presentShare: async () => {
        const held = await presentShare();
        signer.failure = new Refusal("KEY-CAPTIVE", "needs-person", "The token refused the PIN.");
        return held;
      },
    });
    await assert.rejects(unsealing.present("unseal", ENVELOPE, BOB), { control: "KEY-CAPTIVE" });
    assert.equal(changes, 1);
    signer.failure = undefined;
    Object.assign(signer, { presentShare });
    assert.equal((await unsealing.present("unseal", ENVELOPE, BOB)).held, 1);
  });

  it("DUAL-CONTROL gives up what the signer holds when nobody knows any more who presented it", async () => {
    await unsealing.present("unseal", ENVELOPE, ALICE);
    unsealing = makeUnsealing();
    await unsealing.present("unseal", ENVELOPE, ALICE);
    assert.equal(signer.seen[0]?.startsWith("seal after"), true);
    assert.equal(signer.held, 1);
  });

  it("DUAL-CONTROL records a seal before the signer hears of it, and a rehearsal when it has succeeded", async () => {
    await unsealing.present("rehearse", ENVELOPE, ALICE);
    await unsealing.present("rehearse", ENVELOPE, BOB);
    assert.equal((await lastAct()).act, "rehearse-shares");
    await unsealing.seal(ALICE);
    assert.deepEqual(signer.seen, ["seal after seal-hsm"]);
  });

  it("DUAL-CONTROL unseals by one custodian's word only where the PIN is a file, and only what is sealed", async () => {
    await assert.rejects(unsealing.unseal(ALICE), { control: "DUAL-CONTROL", message: /shares present/ });
    signer.source = "prompt";
    await assert.rejects(unsealing.unseal(ALICE), { control: "DUAL-CONTROL", message: /own console/ });
    signer.source = "file";
    await unsealing.unseal(ALICE);
    assert.deepEqual(signer.seen, ["unseal after unseal-hsm"]);
    await assert.rejects(unsealing.unseal(ALICE), { control: "DUAL-CONTROL", code: "conflict" });
    assert.equal((await acts()).filter((act) => act === "unseal-hsm").length, 1);
  });

  it("DUAL-CONTROL notes what happened where it is not asked: a typed PIN, and every split once", async () => {
    signer.source = "prompt";
    await unsealing.note(await signer.status(), false);
    await unsealing.note(await signer.status(), false);
    assert.deepEqual((await acts()).slice(-1), ["split-pin"]);
    signer.state = "ready";
    await unsealing.note(await signer.status(), true);
    assert.deepEqual((await acts()).slice(-2), ["split-pin", "unseal-hsm"]);
    assert.equal((await lastAct()).how, "console");
    await unsealing.note(await signer.status(), false);
    signer.source = "shares";
    await unsealing.note(await signer.status(), true);
    assert.equal((await acts()).filter((act) => act === "unseal-hsm").length, 1);
  });
});
