import type { CustodyView, OrderView } from "../log/custody-state.ts";
import type { Log, RegistrationView } from "../log/log.ts";
import { Refusal } from "../refusal.ts";
import { isForApplicant, isPolicyMet, type OrderApplicant } from "./order-fit.ts";
import { checkProductionPolicy, type ProductionPolicy } from "./production-policy.ts";

/** What a site wants: `required` means that nothing new is registered outside of a work order (ORDER-QUOTA). */
export type OrderPolicy = "off" | "required";

export interface PermitRules {
  readonly orders: OrderPolicy;
  readonly production: ProductionPolicy;
  /** Device group where no order names another. */
  readonly group?: string;
}

/** A registration of a known uuid with another key or subject, or of a voided one. */
export interface Replacement {
  readonly view: RegistrationView;
  /** The answer unless somebody allows it. */
  readonly refusal: Refusal;
  /** Whether a work order's replacements may be used for it; else only an act for this very uuid. */
  readonly isForOrders: boolean;
}

/** Leave to make one record, with what belongs into it. */
export interface Permit {
  readonly order?: string;
  readonly group?: string;
  readonly replaces?: number;
  /** Gives the unit back: for a registration that came to nothing. */
  giveBack(): void;
}

type Unit = "made" | "replaced";

/**
 * ORDER-QUOTA: who may be registered, and under which order. A unit is taken here, in memory, before anything is signed,
 * and used up for good by the record; the record's own `order` member is what counts after a restart.
 */
export class Permits {
  readonly #log: Log;
  readonly #rules: PermitRules;
  /** Units taken by order: those on record, and those in flight. */
  readonly #taken = new Map<string, { made: number; replaced: number }>();

  constructor(log: Log, rules: PermitRules) {
    this.#log = log;
    this.#rules = rules;
  }

  /**
   * Takes a unit, all at once: nothing is awaited between looking and taking. The caller holds the uuid's lock.
   * @throws Refusal ORDER-QUOTA or PRODUCTION-POLICY `needs-person`; the replacement's own
   */
  take(applicant: OrderApplicant, replacement: Replacement | undefined, nowMs: number): Permit {
    const custody = this.#log.custody();
    if (replacement !== undefined) return this.#takeReplacement(custody, applicant, replacement, nowMs);
    if (this.#rules.orders === "required") return this.#takeUnit(custody, applicant, "made", nowMs);
    checkProductionPolicy(this.#rules.production, applicant.isProduction);
    return withGroup(this.#rules.group, nothingToGiveBack);
  }

  /** An act for this very uuid first: it can serve no other board. */
  #takeReplacement(
    custody: CustodyView,
    applicant: OrderApplicant,
    { view, refusal, isForOrders }: Replacement,
    nowMs: number,
  ): Permit {
    const { seq, device } = view.record;
    if (custody.mayReregister(applicant.uuid)) {
      checkProductionPolicy(this.#rules.production, applicant.isProduction);
      return { ...withGroup(device.group ?? this.#rules.group, nothingToGiveBack), replaces: seq };
    }
    if (this.#rules.orders === "off" || !isForOrders) throw refusal;
    const fitting = custody.orders().filter((order) => isForApplicant(order, applicant, nowMs));
    if (!fitting.some((order) => this.#hasLeft(order, "replaced"))) throw refusal;
    return { ...this.#takeUnit(custody, applicant, "replaced", nowMs), replaces: seq };
  }

  /** Of several, the oldest order that has a unit left and whose production policy is met. */
  #takeUnit(custody: CustodyView, applicant: OrderApplicant, unit: Unit, nowMs: number): Permit {
    const fitting = custody.orders().filter((order) => isForApplicant(order, applicant, nowMs));
    if (fitting.length === 0) throw noOrder();
    const withUnits = fitting.filter((order) => this.#hasLeft(order, unit));
    if (withUnits.length === 0) throw spent();
    const order = withUnits.find(({ terms }) => isPolicyMet(terms, applicant));
    if (order === undefined) {
      for (const { terms } of withUnits) checkProductionPolicy(terms.production, applicant.isProduction);
      throw noOrder();
    }
    const { id, group } = order.terms;
    const taken = this.#takenOf(order);
    taken[unit] += 1;
    const giveBack = () => {
      taken[unit] -= 1;
    };
    return { ...withGroup(group ?? this.#rules.group, giveBack), order: id };
  }

  #hasLeft(order: OrderView, unit: Unit): boolean {
    return this.#takenOf(order)[unit] < (unit === "made" ? order.terms.count : order.terms.replacements);
  }

  /** What is on record is where counting starts; at that moment nothing of this order is in flight. */
  #takenOf({ terms, made, replaced }: OrderView): { made: number; replaced: number } {
    const taken = this.#taken.get(terms.id) ?? { made, replaced };
    this.#taken.set(terms.id, taken);
    return taken;
  }
}

function withGroup(group: string | undefined, giveBack: () => void): Permit {
  return { giveBack, ...(group === undefined ? {} : { group }) };
}

function nothingToGiveBack(): void {}

function noOrder(): Refusal {
  return new Refusal(
    "ORDER-QUOTA",
    "needs-person",
    "No open work order is for this station and this board. Nothing was issued; ask a custodian for an order.",
  );
}

function spent(): Refusal {
  return new Refusal(
    "ORDER-QUOTA",
    "needs-person",
    "The work order is used up. Nothing was issued; ask the custodians to extend it.",
  );
}
