import type { Clock } from "../clock.ts";
import type { ProposalView } from "../log/custody-state.ts";
import type { Log } from "../log/log.ts";
import { type DeviceCaRotation, type ProposedAct, parseAct, proposalId } from "../log/proposed-act.ts";
import type { By, EnrolledCustodian } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import { checkAct } from "./check-act.ts";
import type { ClientIdentity, ClientIdentityRequest } from "./client-certificate.ts";
import { KeyedLock } from "./keyed-lock.ts";

/** A proposal that did not find its approvals in this time must be proposed again. */
export const PROPOSAL_HOURS = 24;
const PROPOSAL_MS = PROPOSAL_HOURS * 3_600_000;
/** Open proposals of one person; more would only hide the one that matters. */
const MAX_OPEN = 16;

export interface DualControlParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly issueIdentity: (request: ClientIdentityRequest) => Promise<ClientIdentity>;
  /** Whether a device CA may follow the one in use. @throws Refusal */
  readonly checkRotation: (act: DeviceCaRotation) => Promise<void>;
}

/**
 * DUAL-CONTROL: what one custodian alone must not decide. Every step is a record; nothing is kept beside the log, so a
 * restart changes nothing. Calls run one after another.
 */
export class DualControl {
  readonly #parts: DualControlParts;
  readonly #lock = new KeyedLock();

  constructor(parts: DualControlParts) {
    this.#parts = parts;
  }

  /**
   * Records a proposal, the proposer's approval with it. Durable when it resolves; asking again with the same bytes gets
   * the same proposal.
   * @throws Refusal
   */
  async propose(json: string, by: By): Promise<ProposalView> {
    const what = parseAct(json);
    const id = proposalId(json);
    return await this.#inTurn(async () => {
      const open = this.#open(id);
      if (open !== undefined) return checkProposer(open, by);
      this.#checkRoom(by);
      await checkAct(this.#parts.log, what, this.#parts.clock.nowMs(), this.#parts.checkRotation);
      await this.#parts.log.append({ kind: "act", body: { act: "propose", proposal: id, what, by } });
      return this.#find(id);
    });
  }

  /**
   * Records an approval of exactly these bytes. When the proposal that it resolves with has `inForceAt`, the act and all
   * that belongs to it are durable; asking again once it is in force changes nothing.
   * @throws Refusal
   */
  async approve(id: string, by: By): Promise<ProposalView> {
    return await this.#inTurn(async () => {
      const proposal = this.#find(id);
      if (proposal.inForceAt !== undefined) return proposal;
      if (this.#isLapsed(proposal)) throw lapsed();
      const { log, clock } = this.#parts;
      const custody = log.custody();
      const persons = custody.approvers(id);
      // With a quorum of one the proposer confirms alone; that is the site's own policy, fixed in its genesis record.
      if (persons.has(by.client) && custody.quorum > 1) throw alreadyApproved();
      await checkAct(log, proposal.what, clock.nowMs(), this.#parts.checkRotation);
      const isLast = new Set([...persons, by.client]).size >= custody.quorum;
      const enrolled = isLast ? await this.#enrol(proposal.what) : undefined;
      await log.append({ kind: "act", body: { act: "approve", proposal: id, ...(enrolled && { enrolled }), by } });
      return this.#find(id);
    });
  }

  /** Until when a proposal can be approved, UTC. */
  expiresAt({ proposedAt }: ProposalView): string {
    return new Date(Date.parse(proposedAt) + PROPOSAL_MS).toISOString();
  }

  /** Proposals that wait for approvals, oldest first. */
  open(): readonly ProposalView[] {
    return this.#parts.log
      .custody()
      .proposals()
      .filter((proposal) => this.#isOpen(proposal));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.#lock.acquire(["acts"]);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #find(id: string): ProposalView {
    const proposal = this.#parts.log.custody().proposal(id);
    if (proposal !== undefined) return proposal;
    const sentence = "There is no proposal of this id. See which there are: airlock-custody act list";
    throw new Refusal("DUAL-CONTROL", "malformed", sentence, { field: "act_id" });
  }

  #open(id: string): ProposalView | undefined {
    const proposal = this.#parts.log.custody().proposal(id);
    return proposal !== undefined && this.#isOpen(proposal) ? proposal : undefined;
  }

  #isOpen(proposal: ProposalView): boolean {
    return proposal.inForceAt === undefined && !this.#isLapsed(proposal);
  }

  /** In both directions: a proposal that was made under a wrong clock must not outlive the day after its correction. */
  #isLapsed({ proposedAt }: ProposalView): boolean {
    return Math.abs(this.#parts.clock.nowMs() - Date.parse(proposedAt)) > PROPOSAL_MS;
  }

  #checkRoom(by: By): void {
    const own = this.open().filter(({ approvals }) => approvals[0]?.client === by.client);
    if (own.length < MAX_OPEN) return;
    const sentence = "This custodian has 16 open proposals already. Have them approved, or let them lapse, first.";
    throw new Refusal("DUAL-CONTROL", "exhausted", sentence);
  }

  /** Signs the new custodian's certificate; it opens no door before the approval is a record. */
  async #enrol(what: ProposedAct): Promise<EnrolledCustodian | undefined> {
    if (what.kind !== "enroll-custodian") return undefined;
    const { name, csr } = what;
    const request = { role: "custodian", name, csr: Buffer.from(csr, "base64") } as const;
    const { sha256, notAfter, spkiSha256, pem } = await this.#parts.issueIdentity(request);
    return { sha256, name, notAfter, spkiSha256, pem };
  }
}

function checkProposer(proposal: ProposalView, by: By): ProposalView {
  if (proposal.approvals[0]?.client === by.client) return proposal;
  const sentence = "This very act is proposed already. Look at it and approve it: airlock-custody act list";
  throw new Refusal("DUAL-CONTROL", "conflict", sentence);
}

function lapsed(): Refusal {
  const sentence = "This proposal lapsed after 24 hours. Nothing was done; propose it again.";
  return new Refusal("DUAL-CONTROL", "needs-person", sentence, { field: "act_id" });
}

function alreadyApproved(): Refusal {
  const sentence = "This person has approved already. A different custodian must approve, with a name of their own.";
  return new Refusal("DUAL-CONTROL", "needs-person", sentence, { field: "act_id" });
}
