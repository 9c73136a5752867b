import type { BaseLogger } from "pino";
import type { SignerState } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import { type OpenAnswer, type OpenRequest, REQUEST, type TokenFacts } from "./child-frames.ts";
import { type CkrAction, ruleFor } from "./ckr.ts";
import type { PinFile } from "./pin-file.ts";
import { TokenFailure, TokenProcess } from "./token-process.ts";

export interface TokenPoolOptions {
  readonly module: string;
  readonly tokenSerial: string;
  readonly children: number;
  readonly timeoutMs: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly pin: PinFile;
  readonly logger: BaseLogger;
  /** KEY-CAPTIVE, asked after every login and every new session; what it throws bars the token. */
  readonly checkFacts: (facts: TokenFacts) => void;
}

/** First wait before a child is started again; doubles up to the last. */
const BACKOFF_MS = [50, 100, 200, 400, 800, 1_600, 5_000] as const;
/** How long a request waits for a token that is just being restarted. */
const PATIENCE_MS = 2_000;
/** Signatures that may wait for the token, all children together. */
const MAX_LOAD = 4_096;

/** The token, through children that are restarted when they hang, crash or lose their login. */
export class TokenPool {
  readonly #options: TokenPoolOptions;
  readonly #ready = new Set<TokenProcess>();
  readonly #all = new Set<TokenProcess>();
  /** Set while a person must act: then no child is started and no PIN presented. */
  #barred: Refusal | undefined;
  #isStopped = false;
  #failures = 0;
  #changed = Promise.withResolvers<void>();

  constructor(options: TokenPoolOptions) {
    this.#options = options;
  }

  get state(): SignerState {
    if (this.#ready.size > 0) return "ready";
    return this.#barred === undefined ? "away" : "sealed";
  }

  /** Starts one child, so that a wrong PIN is presented once, then the others. Never rejects: see `state`. */
  async start(): Promise<void> {
    await this.#startChild();
    if (this.#ready.size === 0) return;
    await Promise.all(Array.from({ length: this.#options.children - 1 }, () => this.#startChild()));
  }

  stop(): void {
    this.#isStopped = true;
    for (const child of this.#all) child.kill();
  }

  /**
   * One signature by a key of the token. A request that a child's end left open is tried once more: what the first try
   * may have made never left the token's process.
   * @throws Refusal `away`, `exhausted` or `needs-person`
   */
  async sign(keyIndex: number, data: Buffer): Promise<Buffer> {
    const key = Buffer.of(keyIndex);
    const child = await this.#pick();
    try {
      return await child.request(REQUEST.sign, key, data);
    } catch (error) {
      await this.#recover(child, error);
    }
    const again = await this.#pick();
    return await again.request(REQUEST.sign, key, data).catch((error: unknown) => {
      throw refusalOf(error);
    });
  }

  /** Makes the three keys; ceremony only. Other children see them after a restart. */
  async generate(): Promise<void> {
    const child = await this.#pick();
    const facts = await child.request(REQUEST.generate).catch((error: unknown) => {
      if (error instanceof TokenFailure && error.message === "KEYS_EXIST") throw keysExist();
      throw refusalOf(error);
    });
    this.#options.checkFacts(parseJson<TokenFacts>(facts));
    for (const other of this.#all) if (other !== child) other.kill();
  }

  /** Opens new sessions and repeats KEY-CAPTIVE; a token that fails it is barred. */
  async recheck(): Promise<void> {
    this.#barred = undefined;
    if (this.#ready.size === 0) await this.start();
    for (const child of [...this.#ready]) await this.#renew(child).catch(() => undefined);
    if (this.#barred !== undefined) throw this.#barred;
  }

  async #pick(): Promise<TokenProcess> {
    for (const until = performance.now() + PATIENCE_MS; ; ) {
      if (this.#barred !== undefined) throw this.#barred;
      const [first, ...others] = this.#ready;
      if (first !== undefined) {
        const child = others.reduce((least, other) => (other.load < least.load ? other : least), first);
        if (child.load * this.#options.children >= MAX_LOAD) throw overloaded();
        return child;
      }
      const leftMs = until - performance.now();
      if (leftMs <= 0 || this.#isStopped) throw away();
      await Promise.race([this.#changed.promise, new Promise((resolve) => setTimeout(resolve, leftMs).unref())]);
    }
  }

  /** Does what the table says about a failure; throws when the request must not be tried again. */
  async #recover(child: TokenProcess, error: unknown): Promise<void> {
    if (!(error instanceof TokenFailure)) return;
    const rule = ruleFor(error.ckr);
    this.#options.logger.warn({ control: "KEY-CAPTIVE", ckr: rule.name, action: rule.action }, "the token failed");
    await this.#act(rule.action, child);
    if (rule.action === "give-up" || rule.action === "seal") throw refusalOf(error);
  }

  async #act(action: CkrAction, child: TokenProcess): Promise<void> {
    switch (action) {
      case "session":
        return await this.#renew(child).catch(() => child.kill());
      case "restart":
      case "login":
        this.#ready.delete(child);
        return child.kill();
      case "seal":
        return this.#bar(refusedPin());
      case "give-up":
        return;
    }
  }

  async #renew(child: TokenProcess): Promise<void> {
    this.#admit(child, parseJson<TokenFacts>(await child.request(REQUEST.renew)));
  }

  async #startChild(): Promise<void> {
    if (this.#isStopped || this.#barred !== undefined) return;
    const { module, tokenSerial, environment, timeoutMs } = this.#options;
    const child = new TokenProcess({ timeoutMs, environment, onGone: () => this.#onGone(child) });
    this.#all.add(child);
    try {
      const open: OpenRequest = { module, tokenSerial };
      checkPinTries(parseJson<OpenAnswer>(await child.request(REQUEST.open, Buffer.from(JSON.stringify(open)))));
      const facts = await this.#login(child);
      this.#admit(child, facts);
      this.#failures = 0;
    } catch (error) {
      if (error instanceof Refusal) this.#bar(error);
      else this.#options.logger.error({ err: error }, "the token's process could not be made ready");
      child.kill();
    }
  }

  async #login(child: TokenProcess): Promise<TokenFacts> {
    const pin = Buffer.from(await this.#options.pin.read());
    try {
      const facts = parseJson<TokenFacts>(await child.request(REQUEST.login, pin));
      await this.#options.pin.clearRefused();
      return facts;
    } catch (error) {
      if (!(error instanceof TokenFailure) || ruleFor(error.ckr).action !== "seal") throw error;
      // Durable before anything else happens: not even a restart may present it again.
      await this.#options.pin.markRefused();
      throw refusedPin();
    } finally {
      pin.fill(0);
    }
  }

  #admit(child: TokenProcess, facts: TokenFacts): void {
    try {
      this.#options.checkFacts(facts);
    } catch (error) {
      this.#ready.delete(child);
      if (error instanceof Refusal) this.#bar(error);
      throw error;
    }
    this.#ready.add(child);
    this.#notify();
  }

  #bar(refusal: Refusal): void {
    this.#barred = refusal;
    this.#options.logger.error({ control: refusal.control }, refusal.message);
    this.#ready.clear();
    this.#notify();
  }

  #onGone(child: TokenProcess): void {
    this.#ready.delete(child);
    this.#all.delete(child);
    if (this.#isStopped || this.#barred !== undefined) return;
    const waitMs = BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length - 1)] ?? 0;
    this.#failures += 1;
    this.#options.logger.warn({ waitMs }, "the token's process ended; it is started again");
    setTimeout(() => void this.#startChild(), waitMs);
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function parseJson<T>(body: Buffer): T {
  return JSON.parse(body.toString("utf8")) as T;
}

/** A PIN is never presented when one wrong try would lock the token for good. */
function checkPinTries({ isPinFinalTry, isPinLocked }: OpenAnswer): void {
  if (isPinLocked) throw sealed("The token has locked its PIN. A custodian must reset it with the vendor's tool.");
  if (isPinFinalTry) throw sealed("The token allows one last try of its PIN. A custodian must log in by hand first.");
}

function sealed(sentence: string): Refusal {
  return new Refusal("KEY-CAPTIVE", "needs-person", sentence);
}

function refusedPin(): Refusal {
  return sealed("The token has refused the PIN. It is not presented again by itself: a custodian must correct it.");
}

function keysExist(): Refusal {
  return new Refusal("SIGNER-GATE", "conflict", "The token has these keys already: the ceremony makes them once.");
}

function away(): Refusal {
  return new Refusal("SERVICE-STATE", "away", "The HSM does not answer. Nothing was issued; try again shortly.");
}

function overloaded(): Refusal {
  return new Refusal("SERVICE-STATE", "exhausted", "Too much waits for the HSM. Try again in a moment.");
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (!(error instanceof TokenFailure)) return away();
  const { code, name } = ruleFor(error.ckr);
  return new Refusal("SERVICE-STATE", code, `The HSM could not sign (${name}). Nothing was issued.`, { cause: error });
}
