import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { BatchWriter } from "../hsm/batch-writer.ts";
import { ANSWER, CHANNEL_FD, ChildFrameReader, encodeChildFrame, type REQUEST } from "./child-frames.ts";

/** The token answered with a failure; `ckr` is 0 when the addon itself failed. */
export class TokenFailure extends Error {
  override name = "TokenFailure";
  readonly ckr: number;

  constructor(ckr: number, failure: string) {
    super(failure);
    this.ckr = ckr;
  }
}

/** The child ended, or was killed because it hung: nothing is known about what it was doing. */
export class TokenGone extends Error {
  override name = "TokenGone";
}

export interface TokenProcessOptions {
  /** An operation that takes longer ends the child, in milliseconds. */
  readonly timeoutMs: number;
  /** All that the child gets to see; a module reads its configuration's place from here. */
  readonly environment: Readonly<Record<string, string>>;
  readonly onGone: () => void;
}

interface Pending {
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: Error) => void;
}

const PROGRAM = fileURLToPath(
  new URL(`./token-child.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url),
);

/** One token child: requests go over an inherited socket pair and are answered in order. */
export class TokenProcess {
  readonly #options: TokenProcessOptions;
  readonly #child: ChildProcess;
  readonly #writer: BatchWriter;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #isGone = false;
  /** When the oldest pending request began to be the token's business. */
  #headSince = 0;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(options: TokenProcessOptions) {
    this.#options = options;
    const stdio = ["ignore", "ignore", "inherit", "pipe"] as const;
    this.#child = spawn(process.execPath, [PROGRAM], { env: { ...options.environment }, stdio: [...stdio] });
    const channel = this.#child.stdio[CHANNEL_FD] as Socket;
    const reader = new ChildFrameReader();
    channel.on("data", (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) this.#settle(frame.id, frame.kind, Buffer.from(frame.body));
    });
    channel.on("error", () => this.kill());
    this.#child.once("error", () => this.#end());
    this.#child.once("exit", () => this.#end());
    this.#writer = new BatchWriter(channel);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Requests that the child has not answered. */
  get load(): number {
    return this.#pending.size;
  }

  /** @throws TokenFailure, TokenGone */
  request(kind: (typeof REQUEST)[keyof typeof REQUEST], ...parts: readonly Uint8Array[]): Promise<Buffer> {
    if (this.#isGone) return Promise.reject(new TokenGone("the token's process has ended"));
    const id = this.#nextId++;
    if (this.#pending.size === 0) this.#headSince = performance.now();
    this.#watch();
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#writer.write(encodeChildFrame(kind, id, ...parts));
    });
  }

  /** SIGKILL: a module that hangs in C cannot be asked to stop. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #settle(id: number, kind: number, body: Buffer): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    this.#headSince = performance.now();
    if (kind === ANSWER.done) pending?.resolve(body);
    else pending?.reject(new TokenFailure(body.readUInt32BE(0), body.toString("latin1", 4)));
  }

  /** One timer, armed again only when it fires: the fast path must not pay for a timer per signature. */
  #watch(): void {
    this.#watchdog ??= setTimeout(() => {
      this.#watchdog = undefined;
      if (this.#pending.size === 0) return;
      if (performance.now() - this.#headSince >= this.#options.timeoutMs) this.kill();
      else this.#watch();
    }, this.#options.timeoutMs / 4);
  }

  #end(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#watchdog);
    for (const { reject } of this.#pending.values()) reject(new TokenGone("the token's process has ended"));
    this.#pending.clear();
    this.#options.onGone();
  }
}
