import type { BaseLogger } from "pino";
import { DEVICE_CA_LABELS, deviceCaGeneration, TOKEN_LABELS } from "../hsm/key-labels.ts";
import { Refusal } from "../refusal.ts";
import { generate, generateOne, renew, signWith, type TokenAccess } from "./bring-up.ts";
import type { CaptiveKeys } from "./captive-keys.ts";
import { ruleFor } from "./ckr.ts";
import { type ChildSettings, TokenFailure, type TokenProcess } from "./token-process.ts";
import { TokenSlot } from "./token-slot.ts";

export interface TokenPoolOptions {
  readonly children: number;
  readonly settings: ChildSettings;
  readonly access: TokenAccess;
  readonly logger: BaseLogger;
}

/**
 * Tries besides one for each child, all of which may have died at once. A request that fails more often may itself be
 * what fails, and children should not die of it for ever.
 */
const MORE_TRIES = 2;

/** The token, through children that are restarted when they hang, crash or lose their login. */
export class TokenPool {
  readonly #options: TokenPoolOptions;
  readonly #slots: readonly TokenSlot[];
  /** Set while a person must act: then no child runs and no PIN is presented. */
  #barred: Refusal | undefined;
  /** Barred because custodians wanted it: no recheck undoes that. */
  #isSealed = false;
  #keys: CaptiveKeys = new Map();
  #changed = Promise.withResolvers<void>();
  #turn: Promise<unknown> = Promise.resolve();
  readonly #renewing = new Map<TokenProcess, Promise<boolean>>();

  constructor(options: TokenPoolOptions) {
    this.#options = options;
    const events = {
      inTurn: <T>(task: () => Promise<T>) => this.#inTurn(task),
      onReady: (keys: CaptiveKeys) => this.#onReady(keys),
      onDown: () => this.#notify(),
      onBarred: (refusal: Refusal) => this.#bar(refusal),
    };
    const { children, settings, access, logger } = options;
    this.#slots = Array.from({ length: children }, () => new TokenSlot(settings, access, events, logger));
  }

  get state(): "ready" | "sealed" | "away" {
    if (this.#barred !== undefined) return "sealed";
    return this.#slots.some(({ ready }) => ready !== undefined) ? "ready" : "away";
  }

  /** Why the state is `sealed`. */
  get barred(): Refusal | undefined {
    return this.#barred;
  }

  /** Keys that passed KEY-CAPTIVE; none before the first child was ready, nor while barred. */
  get keys(): CaptiveKeys {
    return this.#keys;
  }

  /** Resolves when the first child is ready, or has failed once, or a person must act. Never rejects: see `state`. */
  async start(): Promise<void> {
    const { promise } = this.#changed;
    for (const slot of this.#slots) slot.start();
    await promise;
  }

  /** At once for callers; resolves when the last child has ended. */
  async stop(): Promise<void> {
    const stopped = this.#slots.map((slot) => slot.stop());
    this.#notify();
    await Promise.all(stopped);
  }

  /**
   * One signature by a key of the token. A request that a child left open is tried again: what the first try may have
   * made never left the token's process, and no ledger line was written for it.
   * @throws Refusal `away` or `needs-person`
   */
  async sign(keyIndex: number, input: Buffer): Promise<Buffer> {
    for (let tries = 1; ; tries += 1) {
      const child = this.#leastLoaded() ?? (await this.#waitForChild());
      try {
        return await signWith(child, keyIndex, input);
      } catch (error) {
        await this.#recover(child, error);
        if (tries === this.#slots.length + MORE_TRIES) throw refusalOf(error);
      }
    }
  }

  /** Makes the three keys; ceremony only. The other children then read them too. */
  async generate(): Promise<void> {
    const child = this.#leastLoaded() ?? (await this.#waitForChild());
    // In turn: of two at once, each in its own child, neither would see the other's keys.
    await this.#inTurn(() => this.#generateIn(child, () => generate(child, this.#options.access)));
  }

  /** Makes one key more, of the device CA that follows the one in use; ceremony only. @throws Refusal */
  async generateNextDeviceCa(): Promise<void> {
    const child = this.#leastLoaded() ?? (await this.#waitForChild());
    await this.#inTurn(async () => {
      if (this.#keys.has("next-device-ca")) throw nextExists();
      const index = nextIndex(this.#keys);
      await this.#generateIn(child, () => generateOne(child, this.#options.access, index));
    });
  }

  async #generateIn(child: TokenProcess, make: () => Promise<CaptiveKeys>): Promise<void> {
    try {
      this.#onReady(await make());
    } catch (error) {
      if (isForPerson(error)) throw this.#bar(error);
      const isThere = error instanceof TokenFailure && error.message === "KEYS_EXIST";
      await (isThere ? this.#renew(child) : this.#recover(child, error));
      throw isThere ? keysExist() : refusalOf(error);
    }
    // A module may show its process only what was there when it was loaded (tpm2-pkcs11).
    for (const { ready } of this.#slots) if (ready !== child) ready?.kill();
  }

  /** Repeats KEY-CAPTIVE in new sessions, or starts anew what was barred. @throws Refusal when it fails (again) */
  async recheck(): Promise<void> {
    if (this.#isSealed && this.#barred !== undefined) throw this.#barred;
    if (this.#barred === undefined) {
      for (const { ready } of this.#slots) if (ready !== undefined) await this.#renew(ready);
    } else {
      this.#barred = undefined;
      await this.start();
    }
    if (this.#barred !== undefined) throw this.#barred;
  }

  /** Ends every login until `unseal`. When it resolves, the last child has ended. */
  async seal(refusal: Refusal): Promise<void> {
    this.#isSealed = true;
    this.#barred = refusal;
    this.#keys = new Map();
    this.#options.logger.warn({ control: refusal.control }, refusal.message);
    await this.stop();
  }

  /** Starts anew, whatever barred it. @throws Refusal when a person must act (again) */
  async unseal(): Promise<void> {
    this.#isSealed = false;
    this.#barred = undefined;
    await this.start();
    if (this.#barred !== undefined) throw this.#barred;
  }

  /** Resolves as soon as a person must act. */
  async whenBarred(): Promise<void> {
    while (this.#barred === undefined) await this.#changed.promise;
  }

  /** After an answer that was no signature of its key: new processes, new sessions, and every check again. */
  restartChildren(): void {
    for (const { ready } of this.#slots) ready?.kill();
  }

  #leastLoaded(): TokenProcess | undefined {
    let least: TokenProcess | undefined;
    for (const { ready } of this.#slots) {
      // Nothing is signed in a new session before KEY-CAPTIVE has held in it.
      if (ready === undefined || this.#renewing.has(ready)) continue;
      if (least === undefined || ready.load < least.load) least = ready;
    }
    return least;
  }

  /** @throws Refusal when a person must act, or when none is ready soon */
  async #waitForChild(): Promise<TokenProcess> {
    // A request waits as long for a child that is just being restarted as it would for an operation.
    for (const until = performance.now() + this.#options.settings.timeoutMs; ; ) {
      if (this.#barred !== undefined) throw this.#barred;
      const child = this.#leastLoaded();
      if (child !== undefined) return child;
      const leftMs = until - performance.now();
      if (leftMs <= 0 || !this.#slots.some((slot) => slot.isPromising)) throw away();
      await this.#changeWithin(leftMs);
    }
  }

  async #changeWithin(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, ms);
    await Promise.race([this.#changed.promise, over.promise]);
    clearTimeout(timer);
  }

  /** Does what the table says about a failure; throws when the request must not be tried again. */
  async #recover(child: TokenProcess, error: unknown): Promise<void> {
    if (!(error instanceof TokenFailure)) return;
    const { name, action } = ruleFor(error.ckr);
    this.#options.logger.warn({ control: "SERVICE-STATE", ckr: name, action }, "the token failed");
    switch (action) {
      case "session":
        if (!(await this.#renew(child))) child.kill();
        return;
      case "restart":
      case "login":
        return child.kill();
      case "give-up":
        throw refusalOf(error);
      case "seal":
        throw this.#bar(refusalOf(error));
    }
  }

  /** Requests that failed together share one new session. @returns whether the child may go on */
  #renew(child: TokenProcess): Promise<boolean> {
    const known = this.#renewing.get(child);
    if (known !== undefined) return known;
    const renewing = this.#tryRenew(child).finally(() => {
      this.#renewing.delete(child);
      this.#notify();
    });
    this.#renewing.set(child, renewing);
    return renewing;
  }

  async #tryRenew(child: TokenProcess): Promise<boolean> {
    try {
      this.#onReady(await renew(child, this.#options.access));
      return true;
    } catch (error) {
      if (isForPerson(error)) this.#bar(error);
      return false;
    }
  }

  #onReady(keys: CaptiveKeys): void {
    this.#keys = keys;
    this.#notify();
  }

  #bar(refusal: Refusal): Refusal {
    this.#barred = refusal;
    this.#keys = new Map();
    this.#options.logger.error({ control: refusal.control }, refusal.message);
    void this.stop();
    return refusal;
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function isForPerson(error: unknown): error is Refusal {
  return error instanceof Refusal && error.code === "needs-person";
}

/** Place in TOKEN_LABELS of the name after the one in use. */
function nextIndex(keys: CaptiveKeys): number {
  const generation = deviceCaGeneration(keys.get("device-ca")?.label ?? "line-ca");
  const next = generation === undefined ? undefined : DEVICE_CA_LABELS[generation];
  if (next !== undefined) return TOKEN_LABELS.indexOf(next);
  const sentence = "The token holds as many device CA keys as have names. Move to another token: a new appliance.";
  throw new Refusal("SIGNER-GATE", "exhausted", sentence);
}

function nextExists(): Refusal {
  return new Refusal(
    "SIGNER-GATE",
    "conflict",
    "The token has a next device CA key already, whose certificate is not installed. Go on with that rotation: " +
      "airlock-custody rotate with its --out",
  );
}

function keysExist(): Refusal {
  return new Refusal(
    "SIGNER-GATE",
    "conflict",
    "The token has such keys already: the ceremony makes them once. What a broken one left, its vendor's tool removes.",
  );
}

function away(): Refusal {
  return new Refusal("SERVICE-STATE", "away", "The HSM does not answer. Nothing was issued; try again shortly.");
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (!(error instanceof TokenFailure)) return away();
  const { code, name } = ruleFor(error.ckr);
  return new Refusal("SERVICE-STATE", code, `The HSM could not sign (${name}). Nothing was issued.`, { cause: error });
}
