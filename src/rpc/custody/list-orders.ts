import type { ListOrdersResponse, Order } from "../../gen/airlock/custody/v1/custody.ts";
import type { OrderView } from "../../log/custody-state.ts";
import type { Log } from "../../log/log.ts";

/** Room in an answer of 512 KiB. */
const MAX_ANSWER_CHARS = 400_000;

/** ListOrders: open and closed ones with what they have used (ORDER-QUOTA); the oldest are left out when too many. */
export function listOrders(log: Log) {
  return async (): Promise<ListOrdersResponse> => {
    const voided = await countVoided(log);
    const orders = log
      .custody()
      .orders()
      .map((order) => encodeOrder(order, voided.get(order.terms.id) ?? 0));
    let chars = 0;
    const first = orders.findLastIndex(({ id, uuids }) => {
      chars += 1_000 + id.length + uuids.length * 40;
      return chars > MAX_ANSWER_CHARS;
    });
    return { orders: orders.slice(first + 1) };
  };
}

/** Boards that were scrapped, by order; a dropped reject is one too. Their units stay used up. */
async function countVoided(log: Log): Promise<ReadonlyMap<string, number>> {
  const registrations = new Set<number>();
  for await (const { registration } of log.readKind("void")) registrations.add(registration);
  for (const { what, inForceAt } of log.custody().proposals()) {
    if (what.kind === "drop-reject" && inForceAt !== undefined) registrations.add(what.registration);
  }
  const counts = new Map<string, number>();
  for (const seq of registrations) {
    const order = (await log.findRegistration(seq))?.record.order;
    if (order !== undefined) counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  return counts;
}

function encodeOrder({ terms, openedAt, closedAt, made, replaced }: OrderView, voided: number): Order {
  return {
    id: terms.id,
    count: BigInt(terms.count),
    made: BigInt(made),
    replacements: BigInt(terms.replacements),
    replaced: BigInt(replaced),
    voided: BigInt(voided),
    from: terms.from,
    until: terms.until,
    stations: [...terms.stations],
    production: terms.production,
    group: terms.group ?? "",
    namePattern: terms.namePattern ?? "",
    hardwareIds: [...(terms.hardwareIds ?? [])],
    uuids: [...(terms.uuids ?? [])],
    openedAt,
    closedAt: closedAt ?? "",
  };
}
