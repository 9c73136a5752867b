import { systemClock } from "../../clock.ts";
import type { Order } from "../../rpc/custody-client.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson, formatCount } from "../text.ts";
import { type CustodyOptions, required } from "./main.ts";
import { withAppliance } from "./with-appliance.ts";

/** `order list`: every order and what is left of it. Orders are opened, extended and closed by acts. */
export async function orderCommand(values: CustodyOptions, [action]: readonly string[]): Promise<ExitCode> {
  if (action !== "list") throw new UsageError("orders are listed here: order list; they are changed by: act propose");
  const orders = await withAppliance(required(values, "config"), (client) => client.orders());
  const nowMs = systemClock.nowMs();
  for (const order of orders) {
    process.stdout.write(values.json === true ? `${encodeJson(order)}\n` : orderScreen(order, nowMs));
  }
  if (values.json !== true && orders.length === 0) {
    process.stdout.write("No work orders.\nNext: airlock-custody act propose order-open --order ID ...\n");
  }
  return EXIT.done;
}

/** One order, two lines. */
export function orderScreen(order: Order, nowMs: number): string {
  const left = `${formatCount(order.made)} of ${formatCount(order.count)} made`;
  const replaced = `${formatCount(order.replaced)} of ${formatCount(order.replacements)} replaced`;
  const terms = [order.stations.join(","), `production ${order.production}`, order.group, order.namePattern];
  const more = [...terms, order.hardwareIds.join(","), order.uuids.length === 0 ? "" : `${order.uuids.length} uuids`];
  return `${order.id.padEnd(20)} ${orderState(order, nowMs).padEnd(10)} ${left}, ${replaced}
  ${order.from.slice(0, 10)} to ${order.until.slice(0, 10)}  ${more.filter((term) => term !== "").join("  ")}
`;
}

function orderState(order: Order, nowMs: number): string {
  if (order.closedAt !== "") return "CLOSED";
  if (nowMs < Date.parse(order.from)) return "not yet";
  if (nowMs >= Date.parse(order.until)) return "OVER";
  return order.made >= order.count ? "USED UP" : "open";
}
