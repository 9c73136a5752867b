import type { CustodyView, OrderView } from "../log/custody-state.ts";
import type { OrderExtension, WorkOrder } from "../log/proposed-act.ts";
import { Refusal } from "../refusal.ts";

/** More than any one factory makes in a year; a typing error is larger. */
const MAX_UNITS = 10_000_000;
const MAX_STATIONS = 64;

/** @throws Refusal ORDER-QUOTA */
export function checkNewOrder(custody: CustodyView, order: WorkOrder, nowMs: number): void {
  if (custody.order(order.id) !== undefined) {
    throw new Refusal("ORDER-QUOTA", "conflict", "There is a work order of this id already. Choose another id.", {
      field: "act_json",
    });
  }
  checkUnits(order.count, order.replacements);
  checkDates(order.from, order.until, nowMs);
  const { stations, hardwareIds = ["any"], uuids = ["any"] } = order;
  checkSet("stations", stations, MAX_STATIONS);
  checkSet("hardware ids", hardwareIds, MAX_STATIONS);
  checkSet("uuids", uuids, Number.POSITIVE_INFINITY);
}

/** @throws Refusal ORDER-QUOTA */
export function checkExtension(custody: CustodyView, extension: OrderExtension, nowMs: number): void {
  const order = custody.order(extension.id);
  if (order === undefined || order.closedAt !== undefined) {
    throw malformed("There is no open work order of this id: airlock-custody order list");
  }
  const { id: _, ...totals } = extension;
  if (Object.keys(totals).length === 0) throw malformed("Say what to extend: count, replacements or until.");
  const terms = { ...order.terms, ...totals };
  checkUnits(terms.count, terms.replacements);
  checkDates(terms.from, terms.until, nowMs);
  if (!isWider(order, terms)) {
    throw malformed("An extension gives new totals, none of them below the old ones. To end an order, close it.");
  }
}

function isWider({ terms }: OrderView, extended: WorkOrder): boolean {
  return (
    extended.count >= terms.count &&
    extended.replacements >= terms.replacements &&
    Date.parse(extended.until) >= Date.parse(terms.until)
  );
}

function checkUnits(count: number, replacements: number): void {
  if (count < 1 || count > MAX_UNITS) throw malformed("A work order is for 1 to 10,000,000 devices.");
  if (replacements > MAX_UNITS) throw malformed("A work order has 0 to 10,000,000 replacements.");
}

function checkDates(from: string, until: string, nowMs: number): void {
  const [fromMs, untilMs] = [Date.parse(from), Date.parse(until)];
  if (!(fromMs < untilMs)) throw malformed("The work order must begin before it ends, on days that exist.");
  if (untilMs <= nowMs) throw malformed("The work order would be over already. Give it a later end.");
}

function checkSet(what: string, values: readonly string[], limit: number): void {
  if (values.length === 0 || values.length > limit || new Set(values).size !== values.length) {
    throw malformed(`The work order's ${what} must be at least one, not too many, and each only once.`);
  }
}

function malformed(sentence: string): Refusal {
  return new Refusal("ORDER-QUOTA", "malformed", sentence, { field: "act_json" });
}
