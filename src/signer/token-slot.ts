import type { BaseLogger } from "pino";
import { Refusal } from "../refusal.ts";
import { bringUp, type TokenAccess } from "./bring-up.ts";
import type { CaptiveKeys } from "./captive-keys.ts";
import { ruleFor } from "./ckr.ts";
import { type ChildSettings, TokenFailure, TokenProcess } from "./token-process.ts";

/** Wait before the next start after so many deaths in a row. The first is at once: a crash under load must not show. */
const BACKOFF_MS = [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000] as const;
/** A child that was ready for so long has shown that the token works. */
const STABLE_MS = 10_000;
/** With more deaths in a row than this the token is away, and callers are told at once. */
const PROMISING_DEATHS = 4;

export interface SlotEvents {
  /** Lets one child at a time log in. */
  readonly inTurn: <T>(task: () => Promise<T>) => Promise<T>;
  readonly onReady: (keys: CaptiveKeys) => void;
  /** The slot has tried and is not ready, for now. */
  readonly onDown: () => void;
  /** A person must act: every slot stops until the pool says go. */
  readonly onBarred: (refusal: Refusal) => void;
}

/** From a start to the next stop. */
interface Run {
  isStopped: boolean;
  readonly stopped: PromiseWithResolvers<void>;
}

/** One place for a token child: keeps a child alive there, however often it dies, until it is stopped. */
export class TokenSlot {
  readonly #settings: ChildSettings;
  readonly #access: TokenAccess;
  readonly #events: SlotEvents;
  readonly #logger: BaseLogger;
  #run: Run | undefined;
  #child: TokenProcess | undefined;
  #isReady = false;
  #deaths = 0;

  constructor(settings: ChildSettings, access: TokenAccess, events: SlotEvents, logger: BaseLogger) {
    this.#settings = settings;
    this.#access = access;
    this.#events = events;
    this.#logger = logger;
  }

  /** The child, while it may sign. */
  get ready(): TokenProcess | undefined {
    return this.#isReady ? this.#child : undefined;
  }

  /** Whether the next try is due so soon that waiting for it is worth while. */
  get isPromising(): boolean {
    return this.#run !== undefined && this.#deaths <= PROMISING_DEATHS;
  }

  start(): void {
    if (this.#run !== undefined) return;
    this.#deaths = 0;
    this.#run = { isStopped: false, stopped: Promise.withResolvers() };
    void this.#keepAlive(this.#run);
  }

  /** At once for callers; resolves when the child has ended. */
  async stop(): Promise<void> {
    if (this.#run === undefined) return;
    this.#run.isStopped = true;
    this.#run.stopped.resolve();
    this.#run = undefined;
    this.#isReady = false;
    await this.#child?.retire();
  }

  async #keepAlive(run: Run): Promise<void> {
    while (!run.isStopped) {
      const livedMs = await this.#live(run);
      if (run.isStopped) return;
      this.#deaths = livedMs >= STABLE_MS ? 1 : this.#deaths + 1;
      this.#events.onDown();
      const waitMs = BACKOFF_MS[Math.min(this.#deaths, BACKOFF_MS.length) - 1] ?? 0;
      await Promise.race([run.stopped.promise, new Promise((resolve) => setTimeout(resolve, waitMs).unref())]);
    }
  }

  /** One child's life. @returns how long it was ready, in milliseconds */
  async #live(run: Run): Promise<number> {
    const child = await this.#raise(run);
    if (child === undefined) return 0;
    const since = performance.now();
    const how = await child.ended;
    if (run.isStopped) return 0;
    this.#isReady = false;
    this.#logger.warn({ control: "SERVICE-STATE", how }, "a token child ended; another is started");
    return performance.now() - since;
  }

  /** A new child, ready; or undefined when this try was none. */
  async #raise(run: Run): Promise<TokenProcess | undefined> {
    let child: TokenProcess | undefined;
    try {
      const made = new TokenProcess(this.#settings);
      child = made;
      this.#child = made;
      const keys = await this.#events.inTurn(() => bringUp(made, this.#access));
      if (run.isStopped) return undefined;
      this.#isReady = true;
      this.#events.onReady(keys);
      this.#logger.info({ pid: made.pid }, "a token child is ready");
      return made;
    } catch (error) {
      child?.kill();
      if (!run.isStopped) this.#tell(error);
      return undefined;
    }
  }

  #tell(error: unknown): void {
    if (error instanceof Refusal && error.code === "needs-person") {
      this.#events.onBarred(error);
      return;
    }
    const cause = error instanceof TokenFailure ? ruleFor(error.ckr).name : String(error);
    this.#logger.error({ control: "SERVICE-STATE", cause }, "a token child could not be made ready; it is tried again");
  }
}
