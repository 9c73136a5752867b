import { readFile } from "node:fs/promises";
import { bad, type Check, good } from "./finding.ts";

/** proc(5): the state of a TCP socket that listens; the one of a UDP socket that takes anything. */
const LISTENS = { tcp: "0A", udp: "07" } as const;
const LOOPBACK = /^(0100007F|00000000000000000000000001000000|0000000000000000FFFF00000100007F)$/;

/** Nothing listens but the appliance's own port; what only this machine can reach does not count. */
export const checkPorts: Check = async ({ service }) => {
  const wanted = new Set(service.listen.map((address) => Number(address.slice(address.lastIndexOf(":") + 1))));
  const open = await openPorts();
  const foreign = open.filter(({ name, port }) => !(name === "tcp" && wanted.has(port)));
  const [first] = foreign;
  if (first !== undefined) {
    return bad(`something listens on ${first.name} port ${first.port}`, `ss -lnp, then stop and remove what it shows`);
  }
  const isServing = open.some(({ port }) => wanted.has(port));
  return good(isServing ? `${[...wanted].join(", ")} and no other` : "none; airlockd is not running");
};

async function openPorts(): Promise<{ name: "tcp" | "udp"; port: number }[]> {
  const found = [];
  for (const [name, family] of [
    ["tcp", ""],
    ["tcp", "6"],
    ["udp", ""],
    ["udp", "6"],
  ] as const) {
    // Without IPv6 there is no such file.
    const table = await readFile(`/proc/net/${name}${family}`, "utf8").catch(() => "");
    for (const line of table.split("\n").slice(1)) {
      const [, address = "", port = ""] = /^\s*\d+:\s([0-9A-F]+):([0-9A-F]{4})\s/.exec(line) ?? [];
      const state = line.trim().split(/\s+/)[3];
      if (state === LISTENS[name] && !LOOPBACK.test(address)) found.push({ name, port: Number.parseInt(port, 16) });
    }
  }
  return found;
}
