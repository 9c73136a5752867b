import type { OrderView } from "../log/custody-state.ts";
import type { WorkOrder } from "../log/proposed-act.ts";

/** What an order's terms are compared with. */
export interface OrderApplicant {
  readonly uuid: string;
  readonly name: string;
  readonly hardwareId: string;
  readonly isProduction: boolean;
  /** Client name of the station. */
  readonly station: string;
}

/** Whether an order is open, for this station and this board; its production policy and what is left aside. */
export function isForApplicant({ terms, closedAt }: OrderView, applicant: OrderApplicant, nowMs: number): boolean {
  return (
    closedAt === undefined &&
    Date.parse(terms.from) <= nowMs &&
    nowMs < Date.parse(terms.until) &&
    terms.stations.includes(applicant.station) &&
    (terms.hardwareIds?.includes(applicant.hardwareId) ?? true) &&
    (terms.uuids?.includes(applicant.uuid) ?? true) &&
    matchesPattern(terms.namePattern ?? "*", applicant.name)
  );
}

export function isPolicyMet({ production }: WorkOrder, { isProduction }: OrderApplicant): boolean {
  if (production === "allow") return true;
  return (production === "require") === isProduction;
}

/** `#` is one digit, a `*` at the end any rest, everything else itself: linear, whatever a custodian writes. */
export function matchesPattern(pattern: string, name: string): boolean {
  const isOpenEnded = pattern.endsWith("*");
  const fixed = isOpenEnded ? pattern.slice(0, -1) : pattern;
  if (name.length < fixed.length || (!isOpenEnded && name.length > fixed.length)) return false;
  return [...fixed].every((sign, i) => (sign === "#" ? /^\d$/.test(name[i] ?? "") : sign === name[i]));
}
