import { isIPv4, isIPv6 } from "node:net";

/** Octets of an IPv4 or IPv6 address as a certificate holds them, or undefined when the text is neither. */
export function encodeIpAddress(text: string): Buffer | undefined {
  if (isIPv4(text)) return Buffer.from(text.split(".").map(Number));
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const [head = "", tail] = withoutDottedEnd(text).split("::");
  const before = groups(head);
  const after = groups(tail ?? "");
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, "0")).join(""), "hex");
}

function groups(part: string): string[] {
  return part === "" ? [] : part.split(":");
}

/** `::ffff:192.0.2.1` with its last four octets as two groups. */
function withoutDottedEnd(text: string): string {
  const start = text.lastIndexOf(":") + 1;
  const dotted = text.slice(start);
  if (!isIPv4(dotted)) return text;
  const hex = Buffer.from(dotted.split(".").map(Number)).toString("hex");
  return `${text.slice(0, start)}${hex.slice(0, 4)}:${hex.slice(4)}`;
}
