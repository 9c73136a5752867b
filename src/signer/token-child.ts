import { readSync, writeSync } from "node:fs";
import {
  ANSWER,
  CHANNEL_FD,
  type ChildFrame,
  ChildFrameReader,
  encodeChildFrame,
  type OpenRequest,
  REQUEST,
} from "./child-frames.ts";
import { ckrOf, Token } from "./token.ts";

/**
 * Program: a child of airlock-signer that does nothing but call the PKCS#11 module. It holds no gate and no ledger,
 * decides nothing, reads no argument and no environment of its own, and may be killed at any instant. It blocks on
 * the socket pair between requests, because every call it makes is synchronous anyway; end of file ends it.
 */
const token = new Token();

/** Answers wait for one another at most this long, so that the parent's watchdog sees each slow operation. */
const GATHER_MS = 1;

function handle(frame: ChildFrame): Uint8Array {
  switch (frame.kind) {
    case REQUEST.open: {
      const request: OpenRequest = JSON.parse(frame.body.toString("utf8"));
      return encodeJson(token.open(request));
    }
    case REQUEST.login: {
      const pin = frame.body.toString("utf8");
      frame.body.fill(0);
      return encodeJson(token.login(pin));
    }
    case REQUEST.renew:
      return encodeJson(token.renew());
    case REQUEST.sign:
      return token.sign(frame.body.readUInt8(), frame.body.subarray(1));
    case REQUEST.generate:
      return encodeJson(token.generate());
    case REQUEST.generateOne:
      return encodeJson(token.generateOne(frame.body.readUInt8()));
    default:
      throw new Error("unknown request");
  }
}

function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function answer(frame: ChildFrame): Buffer {
  try {
    return encodeChildFrame(ANSWER.done, frame.id, handle(frame));
  } catch (error) {
    token.closeWorker();
    const ckr = Buffer.alloc(4);
    ckr.writeUInt32BE(ckrOf(error) >>> 0);
    return encodeChildFrame(ANSWER.failed, frame.id, ckr, Buffer.from(failureName(error), "latin1"));
  }
}

/** Never the error's own text, which may hold anything: only a name in capitals at its beginning. */
function failureName(error: unknown): string {
  return (error instanceof Error && /^[A-Z][A-Z0-9_]{3,60}/.exec(error.message)?.[0]) || "ERROR";
}

function writeAll(bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(CHANNEL_FD, bytes, done);
}

function serve(): void {
  const reader = new ChildFrameReader();
  const chunk = Buffer.alloc(64 * 1024);
  for (;;) {
    const count = readSync(CHANNEL_FD, chunk);
    if (count === 0) return;
    let waiting: Buffer[] = [];
    let since = performance.now();
    for (const frame of reader.push(chunk.subarray(0, count))) {
      waiting.push(answer(frame));
      if (performance.now() - since < GATHER_MS) continue;
      writeAll(Buffer.concat(waiting));
      waiting = [];
      since = performance.now();
    }
    if (waiting.length > 0) writeAll(Buffer.concat(waiting));
  }
}

// Both reach the whole group at Ctrl-C or a stop, and could strike in the middle of a call; the parent's end is enough.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
serve();
