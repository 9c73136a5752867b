import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { BaseLogger } from "pino";
import { BatchWriter } from "../hsm/batch-writer.ts";
import { ANSWER, CHANNEL_FD, type ChildFrame, ChildFrameReader, encodeChildFrame, REQUEST } from "./child-frames.ts";
import { logChildStderr } from "./child-stderr.ts";

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

export interface ChildSettings {
  /** A signature that takes longer ends the child, in milliseconds. */
  readonly timeoutMs: number;
  /** All that the child gets to see; a module reads its configuration's place from here. */
  readonly environment: Readonly<Record<string, string>>;
  /** Hears of a child that hangs, and what it writes to stderr. */
  readonly logger: BaseLogger;
}

/** How a child ended, for the log. */
export type ChildEnd = string;

interface Pending {
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/** Starting a process, loading a module, logging in and making keys may each take so many times a signature's limit. */
const SETUP_FACTOR = 3;

const PROGRAM = fileURLToPath(
  new URL(`./token-child.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url),
);

/** One token child: requests go over an inherited socket pair and are answered in order. */
export class TokenProcess {
  readonly #settings: ChildSettings;
  readonly #ended = Promise.withResolvers<ChildEnd>();
  readonly #child: ChildProcess;
  readonly #channel: Socket;
  readonly #writer: BatchWriter;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #isGone = false;
  #isRetired = false;
  /** Of the youngest request. */
  #timeoutMs = 0;
  /** When the oldest pending request began to be the token's business. */
  #headSince = 0;
  #watchdog: NodeJS.Timeout | undefined;
  /** The PIN while it may turn up in what the module prints. */
  #secret: Buffer | undefined;

  /** @throws Error when no process can be made */
  constructor(settings: ChildSettings) {
    this.#settings = settings;
    const stdio = ["ignore", "ignore", "pipe", "pipe"] as const;
    // With this process's own options: under MemoryDenyWriteExecute= a child without --jitless dies at once.
    this.#child = spawn(process.execPath, [...process.execArgv, PROGRAM], {
      env: { ...settings.environment },
      stdio: [...stdio],
    });
    this.#child.once("error", (error) => this.#end(error.message));
    this.#child.once("exit", (code, signal) => this.#end(signal ?? `exit code ${code}`));
    const channel = this.#child.stdio?.[CHANNEL_FD] as Socket | undefined;
    // Out of file descriptors: Node then leaves out the pipes.
    if (channel === undefined || this.#child.stderr === null) throw new Error("no process for the token");
    logChildStderr(this.#child.stderr, settings.logger, () => this.#secret);
    const reader = new ChildFrameReader();
    channel.on("data", (chunk) => this.#take(reader, chunk));
    channel.on("error", () => this.kill());
    this.#channel = channel;
    this.#writer = new BatchWriter(channel);
  }

  /** Resolves, with how, once the child has ended or was given up. */
  get ended(): Promise<ChildEnd> {
    return this.#ended.promise;
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
    if (this.#isGone || this.#isRetired) return Promise.reject(gone());
    const id = this.#nextId;
    this.#nextId = (id + 1) % 2 ** 32;
    this.#timeoutMs = this.#settings.timeoutMs * (kind === REQUEST.sign ? 1 : SETUP_FACTOR);
    if (this.#pending.size === 0) this.#headSince = performance.now();
    this.#watch();
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#writer.write(encodeChildFrame(kind, id, ...parts));
    });
  }

  /** Presents the PIN; answers TokenFacts. @throws TokenFailure, TokenGone */
  login(pin: Buffer): Promise<Buffer> {
    this.#secret = Buffer.from(pin);
    return this.request(REQUEST.login, pin);
  }

  /**
   * Takes no more requests and lets the child end by itself after the call that it is in; one that hangs is killed.
   * SoftHSM rewrites its token at every login, in place: a process killed in there leaves half a token.
   */
  async retire(): Promise<void> {
    this.#isRetired = true;
    this.#writer.flush();
    this.#channel.end();
    const tooLong = setTimeout(() => this.kill(), this.#settings.timeoutMs);
    await this.ended;
    clearTimeout(tooLong);
  }

  /**
   * SIGKILL: a module that hangs in C cannot be asked to stop. Whoever waits hears of it at once: a process that
   * hangs inside a driver may outlive even this signal.
   */
  kill(): void {
    this.#child.kill("SIGKILL");
    this.#end("killed");
  }

  #take(reader: ChildFrameReader, chunk: Buffer): void {
    try {
      for (const frame of reader.push(chunk)) this.#settle(frame);
    } catch {
      // A module that overwrites its process's memory may make it say anything.
      this.#settings.logger.error("the token's process sent what is no answer; it is ended");
      this.kill();
    }
  }

  /** @throws Error for anything but the answer to a request that waits */
  #settle({ id, kind, body }: ChildFrame): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) throw new Error("an answer that nobody waits for");
    const failure =
      kind === ANSWER.done ? undefined : new TokenFailure(body.readUInt32BE(0), body.toString("latin1", 4));
    this.#pending.delete(id);
    this.#headSince = performance.now();
    if (failure === undefined) pending.resolve(body);
    else pending.reject(failure);
  }

  /** One timer, armed again only when it fires: the fast path must not pay for a timer per signature. */
  #watch(): void {
    this.#watchdog ??= setTimeout(() => {
      this.#watchdog = undefined;
      if (this.#pending.size === 0) return;
      if (performance.now() - this.#headSince < this.#timeoutMs) return this.#watch();
      this.#settings.logger.error({ timeoutMs: this.#timeoutMs }, "the token does not answer; its process is ended");
      this.kill();
    }, this.#settings.timeoutMs / 4);
  }

  #end(how: ChildEnd): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#watchdog);
    this.#channel?.destroy();
    this.#secret?.fill(0);
    this.#secret = undefined;
    for (const { reject } of this.#pending.values()) reject(gone());
    this.#pending.clear();
    this.#ended.resolve(how);
  }
}

function gone(): TokenGone {
  return new TokenGone("the token's process has ended");
}
