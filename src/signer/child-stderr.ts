import type { Readable } from "node:stream";
import type { BaseLogger } from "pino";

/** A module that complains about every call must not fill the disk with its complaints. */
const MAX_LINES = 20;
const MAX_LINE_CHARS = 200;
const MAX_WAITING_CHARS = 4_096;

/**
 * Logs what a token child, that is a vendor's module, writes to stderr: few, short, printable lines, and none that
 * holds the PIN (SECRET-SILENT: a module in its debug mode prints what it is called with).
 */
export function logChildStderr(stream: Readable, logger: BaseLogger, secret: () => Buffer | undefined): void {
  let waiting = "";
  let left = MAX_LINES;
  stream.on("error", () => undefined);
  stream.on("data", (chunk: Buffer) => {
    if (left === 0) return;
    const lines = (waiting + chunk.toString("latin1")).split("\n");
    waiting = (lines.pop() ?? "").slice(0, MAX_WAITING_CHARS);
    for (const line of lines.slice(0, left)) logger.warn({ module: printable(line, secret()) }, "the module says");
    left = Math.max(0, left - lines.length);
    if (left === 0) logger.warn("the module says more, which is not logged");
  });
}

function printable(line: string, secret: Buffer | undefined): string {
  if (secret !== undefined && line.includes(secret.toString("latin1"))) return "(withheld)";
  return line.slice(0, MAX_LINE_CHARS).replaceAll(/[^ -~]/g, "?");
}
