import assert from "node:assert/strict";
import { encodeAct, type ProposedAct, proposalId } from "../../src/log/proposed-act.ts";
import { Refusal, type RefusalCode } from "../../src/refusal.ts";
import {
  ALICE,
  BOB,
  byOf,
  CAROL,
  type CustodySite,
  enrol,
  enrolmentOf,
  makeCustodySite,
  orderOf,
} from "../support/custody-site.ts";
import { receipt, registration, seal, uuidOf } from "../support/log-drafts.ts";
import { makePki } from "../support/software-pki.ts";

const HOUR_MS = 3_600_000;
const DENIAL: ProposedAct = { kind: "deny-uuid", uuid: uuidOf(1), reason: "stolen" };

function isDual(code: RefusalCode, words = /./) {
  return (error: unknown) =>
    error instanceof Refusal && error.control === "DUAL-CONTROL" && error.code === code && words.test(error.message);
}

describe("acts that need several custodians", () => {
  let site: CustodySite;

  beforeEach(async () => {
    site = await makeCustodySite();
  });

  afterEach(() => site.remove());

  const isDenied = () => site.log.custody().isDenied(uuidOf(1));

  it("DUAL-CONTROL puts an act in force with the second person's approval and not before", async () => {
    const id = await site.propose(DENIAL, ALICE);
    assert.equal(isDenied(), false);
    assert.notEqual((await site.acts.approve(id, BOB)).inForceAt, undefined);
    assert.equal(isDenied(), true);
    assert.equal(id, proposalId(encodeAct(DENIAL)));
  });

  it("DUAL-CONTROL remembers proposals, approvals and decisions over a restart", async () => {
    const id = await site.propose(DENIAL, ALICE);
    await site.restart();
    assert.deepEqual([...site.log.custody().approvers(id)], ["alice"]);
    await site.acts.approve(id, BOB);
    const before = site.log.custody().proposals();
    await site.restart();
    assert.equal(isDenied(), true);
    assert.deepEqual(site.log.custody().proposals(), before);
  });

  it("DUAL-CONTROL answers an approval again once the act is in force, without another record", async () => {
    const id = await site.propose(DENIAL, ALICE);
    const first = await site.acts.approve(id, BOB);
    const { head } = site.log.summary();
    assert.deepEqual(await site.acts.approve(id, BOB), first);
    assert.deepEqual(site.log.summary().head, head);
  });

  it("DUAL-CONTROL refuses a proposal that lapsed after 24 hours, whichever way the clock went", async () => {
    const id = await site.propose(DENIAL, ALICE);
    for (const hours of [25, -25]) {
      site.files.nowMs += hours * HOUR_MS;
      await assert.rejects(site.acts.approve(id, BOB), isDual("needs-person", /lapsed/));
      assert.deepEqual(site.acts.open(), []);
      site.files.nowMs -= hours * HOUR_MS;
    }
    site.files.nowMs += 23 * HOUR_MS;
    await site.acts.approve(id, BOB);
    assert.equal(isDenied(), true);
  });

  it("DUAL-CONTROL forgets the approvals of a lapsed proposal when the same act is proposed again", async () => {
    await site.propose(DENIAL, ALICE);
    site.files.nowMs += 25 * HOUR_MS;
    const id = await site.propose(DENIAL, BOB);
    await assert.rejects(site.acts.approve(id, BOB), isDual("needs-person", /different custodian/));
    assert.equal(isDenied(), false);
    await site.acts.approve(id, ALICE);
    assert.equal(isDenied(), true);
  });

  it("DUAL-CONTROL does not count the approval of a custodian who was revoked since", async () => {
    const id = await site.propose(DENIAL, CAROL);
    await site.acts.approve(
      await site.propose({ kind: "revoke-custodian", clientSha256: CAROL.clientSha256 }, ALICE),
      BOB,
    );
    assert.equal((await site.acts.approve(id, ALICE)).inForceAt, undefined);
    assert.equal(isDenied(), false);
    await site.acts.approve(id, BOB);
    assert.equal(isDenied(), true);
  });

  it("DUAL-CONTROL enrols a custodian whose approvals count from then on", async () => {
    const enrolment = enrolmentOf("dora");
    const enrolled = (await site.acts.approve(await site.propose(enrolment, ALICE), BOB)).enrolled;
    assert.equal(site.log.client(enrolled?.sha256 ?? "")?.role, "custodian");
    await site.restart();
    const dora = { client: "dora", clientSha256: enrolled?.sha256 ?? "" };
    await site.acts.approve(await site.propose(DENIAL, ALICE), dora);
    assert.equal(isDenied(), true);
  });

  it("DUAL-CONTROL refuses to revoke so many custodians that nobody could decide any more", async () => {
    const revoke = (by: typeof ALICE): ProposedAct => ({ kind: "revoke-custodian", clientSha256: by.clientSha256 });
    await site.acts.approve(await site.propose(revoke(CAROL), ALICE), BOB);
    await assert.rejects(site.propose(revoke(BOB), ALICE), isDual("needs-person", /Too few custodians/));
  });

  it("DUAL-CONTROL gives two last approvals at the same instant one effect", async () => {
    const id = await site.propose(enrolmentOf("dora"), ALICE);
    const before = site.log.summary().head.seq;
    await Promise.all([site.acts.approve(id, BOB), site.acts.approve(id, CAROL)]);
    assert.equal(site.log.summary().head.seq, before + 1);
    assert.equal(site.log.clients().filter(({ name }) => name === "dora").length, 1);
  });

  const decideTogether = async (act: ProposedAct) => site.acts.approve(await site.propose(act, ALICE), BOB);

  it("DUAL-CONTROL opens and closes a work order only together", async () => {
    const id = await site.propose(orderOf(), ALICE);
    assert.equal(site.log.custody().order("wo-1"), undefined);
    await site.acts.approve(id, BOB);
    await decideTogether({ kind: "order-close", order: { id: "wo-1" } });
    assert.notEqual(site.log.custody().order("wo-1")?.closedAt, undefined);
    await assert.rejects(decideTogether({ kind: "order-close", order: { id: "wo-1" } }), isDual("conflict"));
  });

  it("DUAL-CONTROL trusts an importer only together, and under its certificate's own fingerprint", async () => {
    const { pem, sha256 } = makePki().root;
    const trust = (fingerprint: string): ProposedAct => ({
      kind: "trust-importer",
      importer: { id: "EU2", sha256: fingerprint, pem },
    });
    await assert.rejects(site.propose(trust("0".repeat(64)), ALICE), isDual("malformed", /fingerprint/));
    await site.propose(trust(sha256), ALICE);
    assert.equal(site.log.importer("EU2"), undefined);
    await decideTogether(trust(sha256));
    await site.restart();
    assert.equal(site.log.importer("EU2")?.sha256, sha256);
  });

  it("DUAL-CONTROL drops a reject only together, and nothing that was not rejected", async () => {
    const [good, bad] = [await site.log.append(registration(1)), await site.log.append(registration(2))];
    await site.log.append(seal(1, 1, bad.seq, 2));
    const exceptions = [{ seq: bad.seq, outcome: "rejected", code: "E_INVALID" }];
    await site.log.append(receipt(1, { bundles: [1], exceptions, thru: bad.seq }));
    const drop = (seq: number): ProposedAct => ({ kind: "drop-reject", registration: seq, reason: "scrapped" });
    await assert.rejects(site.propose(drop(good.seq), ALICE), isDual("conflict"));
    assert.equal(site.log.summary().rejected, 1);
    await decideTogether(drop(bad.seq));
    assert.deepEqual([site.log.summary().rejected, (await site.log.findRegistration(bad.seq))?.state], [0, "voided"]);
    await site.restart();
    assert.equal(site.log.summary().rejected, 0);
  });

  it("CLOCK-SANE: custodians confirm the time that they saw, not another one", async () => {
    const now = new Date(site.files.nowMs - 25 * HOUR_MS).toISOString();
    await assert.rejects(
      site.propose({ kind: "confirm-clock", now }, ALICE),
      isDual("needs-person", /more than a day/),
    );
  });

  it("DUAL-CONTROL refuses a second thought about what is decided: acts that would change nothing", async () => {
    await assert.rejects(site.propose({ kind: "undeny-uuid", uuid: uuidOf(1) }, ALICE), isDual("conflict"));
    await site.acts.approve(await site.propose(DENIAL, ALICE), BOB);
    await assert.rejects(site.propose(DENIAL, CAROL), isDual("conflict"));
    await site.acts.approve(await site.propose({ kind: "undeny-uuid", uuid: uuidOf(1) }, ALICE), BOB);
    assert.equal(isDenied(), false);
  });

  it("DUAL-CONTROL keeps a person to 16 open proposals", async () => {
    for (let n = 0; n < 16; n++) await site.propose({ kind: "deny-uuid", uuid: uuidOf(n), reason: "x" }, ALICE);
    const one: ProposedAct = { kind: "deny-uuid", uuid: uuidOf(99), reason: "x" };
    await assert.rejects(site.propose(one, ALICE), isDual("exhausted"));
    await site.propose(one, BOB);
  });

  for (const [what, text] of [
    ["whitespace", `${encodeAct(DENIAL)} `],
    ["another order of members", `{"uuid":"${uuidOf(1)}","kind":"deny-uuid","reason":"stolen"}`],
    ["an unknown member", encodeAct(DENIAL).replace("}", ',"more":1}')],
    ["a member twice", encodeAct(DENIAL).replace("}", ',"reason":"stolen"}')],
    ["an unknown kind", '{"kind":"enroll-client","name":"x"}'],
    ["a record's own word for a kind", '{"kind":"approve","proposal":"00"}'],
    ["a kind inherited from every object", '{"kind":"constructor"}'],
    ["no object", "[]"],
    ["no JSON", "{"],
    ["more bytes than a record has room for", `{"kind":"deny-uuid","uuid":"${"x".repeat(15_000)}"}`],
  ] as const) {
    it(`DUAL-CONTROL refuses a proposal with ${what}`, async () => {
      await assert.rejects(site.acts.propose(text, ALICE), isDual("malformed"));
    });
  }

  describe("one custodian alone", () => {
    const secondCertificate = byOf("alice", "alice's second certificate");

    /** Every way that alice has; none may leave the uuid denied. */
    const ways: readonly (readonly [string, (id: string) => Promise<unknown>])[] = [
      ["approves her own proposal", (id) => site.acts.approve(id, ALICE)],
      ["approves it twice", (id) => Promise.allSettled([site.acts.approve(id, ALICE), site.acts.approve(id, ALICE)])],
      ["proposes it twice", () => site.propose(DENIAL, ALICE)],
      ["approves with a second certificate of hers", (id) => site.acts.approve(id, secondCertificate)],
      ["proposes again with her second certificate", () => site.propose(DENIAL, secondCertificate)],
      ["approves after a restart", (id) => site.restart().then(() => site.acts.approve(id, ALICE))],
      ["approves with a certificate that was revoked", (id) => site.acts.approve(id, byOf("eve"))],
      ["approves with an operator's certificate of another name", (id) => site.acts.approve(id, byOf("op"))],
      ["approves with a certificate that nobody enrolled", (id) => site.acts.approve(id, byOf("nobody"))],
      ["approves the id of other bytes", () => site.acts.approve(proposalId("{}"), ALICE)],
      ["proposes the same with another reason", () => site.propose({ ...DENIAL, reason: "mine" }, ALICE)],
      ["enrols a friend", () => site.propose(enrolmentOf("friend"), ALICE)],
      ["enrols a friend called Bob, with a capital", () => site.propose(enrolmentOf("Bob"), ALICE)],
      ["revokes the others", () => site.propose({ kind: "revoke-custodian", clientSha256: BOB.clientSha256 }, ALICE)],
    ];

    beforeEach(async () => {
      await site.log.append(enrol("alice", "custodian", "alice's second certificate"));
      await site.log.append(enrol("op", "operator"));
      await site.log.append(enrol("eve", "custodian"));
      const body = { act: "revoke-client", clientSha256: byOf("eve").clientSha256, by: BOB } as const;
      await site.log.append({ kind: "act", body });
    });

    for (const [what, attempt] of ways) {
      it(`DUAL-CONTROL gives nothing to one custodian who ${what}`, async () => {
        const clients = site.log.clients();
        const id = await site.propose(DENIAL, ALICE);
        await attempt(id).catch((error: unknown) => assert.ok(error instanceof Refusal, String(error)));
        assert.equal(isDenied(), false);
        assert.deepEqual(site.log.clients(), clients);
        assert.ok(
          site.log
            .custody()
            .proposals()
            .every(({ inForceAt }) => inForceAt === undefined),
        );
      });
    }

    it("DUAL-CONTROL gives nothing to one custodian who tries everything in turn, and all of it to two", async () => {
      const id = await site.propose(DENIAL, ALICE);
      for (const [, attempt] of ways) await attempt(id).catch(() => undefined);
      assert.equal(isDenied(), false);
      await site.acts.approve(id, BOB);
      assert.equal(isDenied(), true);
    });
  });

  it("DUAL-CONTROL renews a custodian with the approval of another: one person still, and the old key is out", async () => {
    const renewal = { ...enrolmentOf("alice"), replaces: ALICE.clientSha256 };
    const id = await site.propose(renewal, ALICE);
    assert.equal(site.log.client(ALICE.clientSha256)?.revokedAt, undefined);
    const { enrolled } = await site.acts.approve(id, BOB);
    assert.notEqual(site.log.client(ALICE.clientSha256)?.revokedAt, undefined);
    assert.equal(site.log.client(enrolled?.sha256 ?? "")?.revokedAt, undefined);
    await site.restart();
    assert.notEqual(site.log.client(ALICE.clientSha256)?.revokedAt, undefined);
    const renewed = { client: "alice", clientSha256: enrolled?.sha256 ?? "" };
    const denial = await site.propose(DENIAL, renewed);
    await assert.rejects(site.acts.approve(denial, renewed), isDual("needs-person", /different custodian/));
    await site.acts.approve(denial, BOB);
    assert.equal(isDenied(), true);
  });

  for (const [what, replaces] of [
    ["of another custodian", BOB.clientSha256],
    ["that nobody has", byOf("nobody").clientSha256],
  ] as const) {
    it(`DUAL-CONTROL refuses a renewal that would revoke a certificate ${what}`, async () => {
      const renewal = { ...enrolmentOf("alice"), replaces };
      await assert.rejects(site.propose(renewal, ALICE), isDual("conflict", /not a valid one of this custodian/));
    });
  }

  it("DUAL-CONTROL allows a known uuid's re-registration once", async () => {
    const { seq } = await site.log.append(registration(1));
    const allow: ProposedAct = { kind: "allow-reregistration", uuid: uuidOf(1) };
    await assert.rejects(site.propose({ ...allow, uuid: uuidOf(2) }, ALICE), isDual("malformed", /ever registered/));
    await site.acts.approve(await site.propose(allow, ALICE), BOB);
    assert.equal(site.log.custody().mayReregister(uuidOf(1)), true);
    await site.log.append(registration(2, { uuid: uuidOf(1), replaces: seq }));
    assert.equal(site.log.custody().mayReregister(uuidOf(1)), false);
    await site.restart();
    assert.equal(site.log.custody().mayReregister(uuidOf(1)), false);
  });
});
