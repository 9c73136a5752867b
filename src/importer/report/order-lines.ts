import type { OrderView } from "../../log/custody-state.ts";
import { Decisions } from "../../log/decisions.ts";
import type { LogRecord } from "../../log/record.ts";

/** A work order as the far side sees it: what custodians allowed, and what the records say was made. */
export interface OrderLine {
  readonly id: string;
  readonly ordered: number;
  readonly made: number;
  /** Never below 0: a taken-over appliance could make more than was ordered. */
  readonly left: number;
  readonly replacements: number;
  readonly replaced: number;
  /** Boards of this order that were scrapped; they stay made. */
  readonly voided: number;
  readonly state: "open" | "closed" | "over" | "exceeded";
}

/** Folds records, in the order of the log, into its work orders. */
export class OrderLines {
  readonly #decisions = new Decisions();
  readonly #voided = new Map<string, number>();

  take(record: LogRecord, isVoided: boolean): void {
    this.#decisions.apply(record);
    if (record.kind !== "registration" || record.order === undefined || !isVoided) return;
    this.#voided.set(record.order, (this.#voided.get(record.order) ?? 0) + 1);
  }

  /** @param at UTC, ISO 8601: an order whose last day lies before it is over */
  lines(at: string): OrderLine[] {
    return this.#decisions.custody.orders().map((order) => {
      const { id, count, replacements } = order.terms;
      const { made, replaced } = order;
      const voided = this.#voided.get(id) ?? 0;
      const counts = { ordered: count, made, left: Math.max(0, count - made), replacements, replaced, voided };
      return { id, ...counts, state: stateOf(order, at) };
    });
  }
}

/** ORDER-QUOTA: the appliance keeps to its orders; here it would show if it had not. */
function stateOf({ terms, made, replaced, closedAt }: OrderView, at: string): OrderLine["state"] {
  if (made > terms.count || replaced > terms.replacements) return "exceeded";
  if (closedAt !== undefined) return "closed";
  return at >= terms.until ? "over" : "open";
}
