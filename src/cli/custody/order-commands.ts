import { systemClock } from "../../clock.ts";
import type { Order } from "../../rpc/custody-client.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson, formatCount } from "../text.ts";
import type { CustodyOptions } from "./main.ts";
import { withAppliance } from "./with-appliance.ts";

/** `order list`, `order report`. Orders are opened, extended and closed by acts. */
export async function orderCommand(values: CustodyOptions, [action]: readonly string[]): Promise<ExitCode> {
  switch (action) {
    case "list":
      return await listOrders(values);
    case "report":
      return await reportOrders(values);
    default:
      throw new UsageError("orders are shown here: order list, order report; they are changed by: act propose");
  }
}

/** What became of every order, one row each. */
async function reportOrders(values: CustodyOptions): Promise<ExitCode> {
  const orders = await withAppliance(values, (client) => client.orders());
  const rows = orders.map(reportRow);
  const nowMs = systemClock.nowMs();
  if (values.json === true) {
    for (const [i, row] of rows.entries()) {
      const order = orders[i];
      const state = order === undefined ? "" : orderState(order, nowMs);
      process.stdout.write(`${encodeJson({ ...row, state })}\n`);
    }
    return EXIT.done;
  }
  process.stdout.write(reportTable(orders, nowMs));
  return EXIT.done;
}

/** Voided boards stay made: scrap returns nothing. */
export function reportRow({ id, count, made, replacements, replaced, voided }: Order) {
  const left = count > made ? count - made : 0n;
  return { id, ordered: count, made, left, replacements, replaced, voided };
}

export function reportTable(orders: readonly Order[], nowMs: number): string {
  const heads = ["order", "state", "ordered", "made", "left", "replaced", "voided"];
  const lines = orders.map((order) => {
    const { ordered, made, left, replaced, voided } = reportRow(order);
    return [order.id, orderState(order, nowMs), ...[ordered, made, left, replaced, voided].map(formatCount)];
  });
  const all = [heads, ...lines];
  const widths = heads.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  const pad = (cell: string, column: number) =>
    column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return `${all.map((line) => line.map(pad).join("  ").trimEnd()).join("\n")}\n`;
}

/** Every order and what is left of it. */
async function listOrders(values: CustodyOptions): Promise<ExitCode> {
  const orders = await withAppliance(values, (client) => client.orders());
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
