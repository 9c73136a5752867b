import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { PinSourceName, SealingState, SplitShares } from "../hsm/messages.ts";
import type { SharePurpose } from "../hsm/share-envelope.ts";
import { Refusal, type RefusalCode } from "../refusal.ts";
import type { HeldPin } from "./held-pin.ts";
import type { PinSource } from "./pin-source.ts";
import { type PinSplit, splitPin, writePinSplit } from "./pin-split.ts";
import { ShareCollector } from "./share-collector.ts";
import type { ShareKey } from "./share-key.ts";
import type { TokenPool } from "./token-pool.ts";

export interface SealingParts {
  readonly source: PinSourceName;
  readonly isCeremony: boolean;
  /** The ledger's directory: split and share key stand beside it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly limitMs: number;
  readonly pool: Pick<TokenPool, "state" | "seal" | "unseal">;
  /** Where the PIN is read from, whatever the source. */
  readonly pin: PinSource;
  /** With the sources `prompt` and `shares`: what people gave. */
  readonly held: HeldPin | undefined;
  readonly shareKey: ShareKey | undefined;
  readonly split: PinSplit | undefined;
}

/** Sealed: no PIN, no login. How people take the signer there and back. */
export class Sealing {
  readonly #parts: SealingParts;
  readonly #collectors: Readonly<Record<SharePurpose, ShareCollector>> | undefined;
  #split: PinSplit | undefined;
  /** Made, handed out, and in force only when the shares are known to be written down. */
  #unconfirmed: PinSplit | undefined;

  constructor(parts: SealingParts) {
    const { shareKey, clock, limitMs } = parts;
    this.#parts = parts;
    this.#split = parts.split;
    if (shareKey === undefined) return;
    const collector = (purpose: SharePurpose) => new ShareCollector({ purpose, clock, shareKey, limitMs });
    this.#collectors = { unseal: collector("unseal"), rehearse: collector("rehearse") };
  }

  state(): SealingState {
    const { source, shareKey } = this.#parts;
    const split = this.#split;
    return {
      source,
      ...(shareKey && { shareKey: shareKey.publicDer.toString("base64") }),
      ...(split && { split: { number: split.number, id: split.id, needed: split.needed, total: split.shares.length } }),
      ...(this.#collectors && { unseal: this.#collectors.unseal.state(), rehearse: this.#collectors.rehearse.state() }),
    };
  }

  /**
   * Takes one custodian's share. The last share of a rehearsal opens the PIN and forgets it again; the last share of an
   * unsealing waits for `unseal`.
   * @returns how many are held, or were when the rehearsal succeeded
   * @throws Refusal
   */
  async present(purpose: SharePurpose, envelope: Buffer): Promise<number> {
    const split = this.#requireSplit();
    if (purpose === "unseal") this.#checkSealed();
    const collector = this.#collector(purpose);
    const held = collector.present(envelope, split);
    if (purpose === "rehearse" && held >= split.needed) (await collector.complete(split)).fill(0);
    return held;
  }

  /**
   * With the source `shares`, by the shares that are held; with `file`, by the file.
   * @throws Refusal; then the PIN is forgotten, and was presented to the token at most once
   */
  async unseal(): Promise<void> {
    this.#checkSealed();
    const { source, pool } = this.#parts;
    if (source === "file") return await pool.unseal();
    if (source === "prompt") {
      throw refuse("needs-person", "The PIN of this signer is typed at its own console. Nothing was done.");
    }
    const split = this.#requireSplit();
    const pin = await this.#collector("unseal").complete(split);
    // By the split: a PIN that the token refused is not presented again because the same shares come again.
    await this.#loginWith(`split ${split.id}`, pin);
  }

  /** A PIN that somebody typed at the signer's console. @throws Refusal */
  async enter(pin: Buffer): Promise<void> {
    await this.#loginWith(`typed ${randomBytes(8).toString("hex")}`, pin);
  }

  /** When it resolves, no PIN is held and no child is logged in. */
  async seal(): Promise<void> {
    this.#parts.held?.forget();
    this.#collectors?.unseal.reset();
    await this.#parts.pool.seal(sealedByCustodian());
  }

  /**
   * Ceremony mode only: shares of a new split, which is not in force yet.
   * @throws Refusal
   */
  async split(needed: number, total: number): Promise<SplitShares> {
    const { isCeremony, pin, pool } = this.#parts;
    if (!isCeremony) throw refuse("forbidden", "The PIN is split in ceremony mode alone, at the appliance's console.");
    if (pool.state !== "ready") throw refuse("needs-person", "The token has not taken the PIN yet. Unseal it first.");
    const number = (this.#split?.number ?? 0) + 1;
    const secret = await pin.read();
    try {
      const { split, shares } = await splitPin(secret, { needed, total, number });
      this.#unconfirmed = split;
      const values = shares.map((share) => share.toString("base64"));
      for (const share of shares) share.fill(0);
      return { number, id: split.id, needed, total, values };
    } finally {
      secret.fill(0);
    }
  }

  /** Durable when it resolves: the new split is in force, older shares are retired. @throws Refusal */
  async confirmSplit(id: string): Promise<void> {
    const split = this.#unconfirmed;
    if (split === undefined || split.id !== id)
      throw refuse("conflict", "No split of this id waits. Split the PIN again.");
    await writePinSplit(this.#parts.directory, split);
    this.#split = split;
    this.#unconfirmed = undefined;
    this.#collectors?.unseal.reset();
    this.#collectors?.rehearse.reset();
  }

  async #loginWith(identity: string, pin: Buffer): Promise<void> {
    const { held, pool } = this.#parts;
    if (held === undefined) throw refuse("conflict", "The PIN of this signer comes from a file. Nothing was done.");
    held.hold(identity, pin);
    try {
      await pool.unseal();
    } catch (error) {
      held.forget();
      throw error;
    }
  }

  #checkSealed(): void {
    if (this.#parts.pool.state === "sealed") return;
    throw refuse("conflict", "The HSM is not sealed. Nothing was done; to prove that shares work, rehearse them.");
  }

  #requireSplit(): PinSplit {
    if (this.#split !== undefined) return this.#split;
    throw refuse("needs-person", "The PIN was never split. Make shares at a ceremony: airlock-custody shares split");
  }

  #collector(purpose: SharePurpose): ShareCollector {
    const collector = this.#collectors?.[purpose];
    if (collector !== undefined) return collector;
    throw refuse("needs-person", "The signer has no share key. Make one and shares: airlock-custody shares split");
  }
}

function sealedByCustodian(): Refusal {
  return new Refusal("KEY-CAPTIVE", "needs-person", "A custodian has sealed the HSM. Custodians must unseal it.");
}

function refuse(code: RefusalCode, sentence: string): Refusal {
  return new Refusal("DUAL-CONTROL", code, sentence);
}
