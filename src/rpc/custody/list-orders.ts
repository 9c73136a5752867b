import type { ListOrdersResponse, Order } from "../../gen/airlock/custody/v1/custody.ts";
import type { OrderView } from "../../log/custody-state.ts";
import type { Log } from "../../log/log.ts";

/** Room in an answer of 512 KiB. */
const MAX_ANSWER_CHARS = 400_000;

/** ListOrders: open and closed ones with what they have used (ORDER-QUOTA); the oldest are left out when too many. */
export function listOrders(log: Log) {
  return async (): Promise<ListOrdersResponse> => {
    const orders = log.custody().orders().map(encodeOrder);
    let chars = 0;
    const first = orders.findLastIndex(({ id, uuids }) => {
      chars += 1_000 + id.length + uuids.length * 40;
      return chars > MAX_ANSWER_CHARS;
    });
    return { orders: orders.slice(first + 1) };
  };
}

function encodeOrder({ terms, openedAt, closedAt, made, replaced }: OrderView): Order {
  return {
    id: terms.id,
    count: BigInt(terms.count),
    made: BigInt(made),
    replacements: BigInt(terms.replacements),
    replaced: BigInt(replaced),
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
