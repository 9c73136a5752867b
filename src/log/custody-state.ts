import { DeviceCas, type DeviceCasView } from "./device-cas.ts";
import { type FactoryDenyList, FactoryDenyLists } from "./factory-deny-list.ts";
import type { EnrolledClient } from "./log.ts";
import type { OrderExtension, ProposedAct, WorkOrder } from "./proposed-act.ts";
import type { By, DenyListPiece, DenyMode, EnrolledCustodian, LogRecord, RegistrationRecord } from "./record.ts";

type ActRecord = Extract<LogRecord, { kind: "act" }>;
export type ProposeRecord = Extract<ActRecord, { act: "propose" }>;
export type ApproveRecord = Extract<ActRecord, { act: "approve" }>;

/** A proposal with what later records say about it. */
export interface ProposalView {
  /** SHA-256 of the act's canonical bytes. */
  readonly id: string;
  readonly what: ProposedAct;
  readonly proposedAt: string;
  /** Everybody who approved, the proposer first. */
  readonly approvals: readonly By[];
  /** When the act took effect; undefined while approvals are missing. */
  readonly inForceAt?: string;
  /** The certificate that came of `enroll-custodian`. */
  readonly enrolled?: EnrolledCustodian;
}

/** A work order with what was made under it. */
export interface OrderView {
  readonly terms: WorkOrder;
  readonly openedAt: string;
  readonly closedAt?: string;
  /** Registrations of new devices. */
  readonly made: number;
  /** Registrations that replaced a known device's key. */
  readonly replaced: number;
}

/** What custodians have decided, as far as records say so. */
export interface CustodyView {
  /** Different custodians that an act needs: the genesis record's number. */
  readonly quorum: number;
  proposal(id: string): ProposalView | undefined;
  /** Oldest first. */
  proposals(): readonly ProposalView[];
  /** Names of different custodians whose approval counts now: theirs who were not revoked. */
  approvers(id: string): ReadonlySet<string>;
  order(id: string): OrderView | undefined;
  /** In the order in which they were opened. */
  orders(): readonly OrderView[];
  isDenied(uuid: string): boolean;
  /** What meets a uuid that the Factory denies, by the newest list that came across the gap. */
  factoryDenial(uuid: string): DenyMode | undefined;
  /** That list; undefined while none came. */
  denyList(): FactoryDenyList | undefined;
  /** Whether a uuid's re-registration was allowed and has not been used up. */
  mayReregister(uuid: string): boolean;
  readonly deviceCas: DeviceCasView;
}

/**
 * Folds act and registration records into what custodians have decided; by the same calls at a start and while running.
 * An act takes effect with the record of its last approval and never before (DUAL-CONTROL).
 */
export class CustodyState implements CustodyView {
  quorum = Number.POSITIVE_INFINITY;
  readonly deviceCas = new DeviceCas();
  readonly #client: (sha256: string) => EnrolledClient | undefined;
  readonly #proposals = new Map<string, ProposalView>();
  readonly #orders = new Map<string, OrderView>();
  readonly #denied = new Set<string>();
  readonly #denyLists = new FactoryDenyLists();
  readonly #reregistrations = new Map<string, number>();

  /** @param client finds a client as it is enrolled at the moment of asking */
  constructor(client: (sha256: string) => EnrolledClient | undefined) {
    this.#client = client;
  }

  proposal(id: string): ProposalView | undefined {
    return this.#proposals.get(id);
  }

  proposals(): readonly ProposalView[] {
    return [...this.#proposals.values()];
  }

  approvers(id: string): ReadonlySet<string> {
    const approvals = this.#proposals.get(id)?.approvals ?? [];
    return new Set(approvals.flatMap(({ clientSha256 }) => this.#person(clientSha256) ?? []));
  }

  order(id: string): OrderView | undefined {
    return this.#orders.get(id);
  }

  orders(): readonly OrderView[] {
    return [...this.#orders.values()];
  }

  isDenied(uuid: string): boolean {
    return this.#denied.has(uuid);
  }

  factoryDenial(uuid: string): DenyMode | undefined {
    const list = this.#denyLists.current;
    return list?.uuids.has(uuid) === true ? list.mode : undefined;
  }

  denyList(): FactoryDenyList | undefined {
    return this.#denyLists.current;
  }

  takeDenyList(piece: DenyListPiece): void {
    this.#denyLists.take(piece);
  }

  mayReregister(uuid: string): boolean {
    return (this.#reregistrations.get(uuid) ?? 0) > 0;
  }

  /** The same act may be proposed again once the former proposal is over; what was approved then no longer counts. */
  propose({ proposal, what, by, at }: ProposeRecord): void {
    this.#proposals.delete(proposal);
    this.#proposals.set(proposal, { id: proposal, what, proposedAt: at, approvals: [by] });
  }

  /** Returns the proposal when this was the approval that puts it in force. */
  approve({ proposal: id, by, at, enrolled }: ApproveRecord): ProposalView | undefined {
    const before = this.#proposals.get(id);
    if (before === undefined || before.inForceAt !== undefined) return undefined;
    this.#proposals.set(id, { ...before, approvals: [...before.approvals, by] });
    if (this.approvers(id).size < this.quorum) return undefined;
    const proposal = { ...before, approvals: [...before.approvals, by], inForceAt: at, ...(enrolled && { enrolled }) };
    this.#proposals.set(id, proposal);
    this.#take(proposal.what, at);
    return proposal;
  }

  /** Uses up one unit of the order, or of a device's own allowance, that the registration was made under. */
  register({ order: id, replaces, device }: RegistrationRecord): void {
    const order = id === undefined ? undefined : this.#orders.get(id);
    if (order !== undefined) {
      const { made, replaced } = order;
      const counts = replaces === undefined ? { made: made + 1 } : { replaced: replaced + 1 };
      this.#orders.set(order.terms.id, { ...order, ...counts });
    } else if (replaces !== undefined) {
      this.#reregistrations.set(device.uuid, Math.max(0, (this.#reregistrations.get(device.uuid) ?? 0) - 1));
    }
  }

  /** A person is the name: a second certificate is not a second person, and a revoked one is nobody. */
  #person(clientSha256: string): string | undefined {
    const client = this.#client(clientSha256);
    return client?.role === "custodian" && client.revokedAt === undefined ? client.name : undefined;
  }

  #take(what: ProposedAct, at: string): void {
    if (what.kind === "order-open") {
      this.#orders.set(what.order.id, { terms: what.order, openedAt: at, made: 0, replaced: 0 });
    } else if (what.kind === "order-extend") this.#extend(what.order);
    else if (what.kind === "order-close") {
      const order = this.#orders.get(what.order.id);
      if (order !== undefined) this.#orders.set(order.terms.id, { ...order, closedAt: at });
    } else if (what.kind === "allow-reregistration") {
      this.#reregistrations.set(what.uuid, (this.#reregistrations.get(what.uuid) ?? 0) + 1);
    } else if (what.kind === "deny-uuid") this.#denied.add(what.uuid);
    else if (what.kind === "undeny-uuid") {
      this.#denied.delete(what.uuid);
      this.#denyLists.lift(what.uuid);
    } else if (what.kind === "rotate-device-ca") this.deviceCas.approve(what);
  }

  #extend({ id, ...totals }: OrderExtension): void {
    const order = this.#orders.get(id);
    if (order !== undefined) this.#orders.set(id, { ...order, terms: { ...order.terms, ...totals } });
  }
}
