import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { ShareRoundState } from "../hsm/messages.ts";
import { openShare, ROUND_BYTES, type SealedShare, type SharePurpose } from "../hsm/share-envelope.ts";
import { Refusal, type RefusalCode } from "../refusal.ts";
import { isShareOf, openPin, type PinSplit } from "./pin-split.ts";
import type { ShareKey } from "./share-key.ts";

export interface CollectorParts {
  readonly purpose: SharePurpose;
  readonly clock: Clock;
  readonly shareKey: ShareKey;
  /** After so long from its first share, an attempt that is not complete is forgotten. */
  readonly limitMs: number;
}

/** Gathers the shares of one attempt, each checked before it is kept; nothing is presented to the token from here. */
export class ShareCollector {
  readonly #parts: CollectorParts;
  readonly #held = new Map<number, Buffer>();
  #round = randomBytes(ROUND_BYTES);
  #lapsedRound: Buffer | undefined;
  #firstAtMs = 0;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  state(): ShareRoundState {
    this.#expire();
    const held = [...this.#held.keys()].sort((a, b) => a - b);
    const round = this.#round.toString("hex");
    if (held.length === 0) return { round, held };
    return { round, held, expiresAt: new Date(this.#firstAtMs + this.#parts.limitMs).toISOString() };
  }

  /**
   * Takes one share. @returns how many are held now
   * @throws Refusal DUAL-CONTROL that says what is wrong with it
   */
  present(envelope: Buffer, split: PinSplit): number {
    this.#expire();
    const share = this.#open(envelope);
    try {
      this.#checkAttempt(share);
      checkSplit(share, split);
      if (this.#held.has(share.index)) throw refuse("conflict", "This share was presented already. Another is needed.");
    } catch (error) {
      share.value.fill(0);
      throw error;
    }
    if (this.#held.size === 0) this.#firstAtMs = this.#parts.clock.nowMs();
    this.#held.set(share.index, share.value);
    return this.#held.size;
  }

  /** Opens the PIN with what is held, and forgets the shares whatever comes of it. The caller wipes the PIN. */
  async complete(split: PinSplit): Promise<Buffer> {
    this.#expire();
    if (this.#held.size < split.needed)
      throw refuse("needs-person", "Too few shares are held. Present the others first.");
    try {
      return await openPin(split, [...this.#held.values()]);
    } catch (cause) {
      const sentence = "The shares do not open the PIN. Nothing was presented to the token; make a new split.";
      throw new Refusal("DUAL-CONTROL", "needs-person", sentence, { cause });
    } finally {
      this.reset();
    }
  }

  /** Forgets every share; what was recorded of this attempt is of no use in the next. */
  reset(): void {
    for (const value of this.#held.values()) value.fill(0);
    this.#held.clear();
    this.#round = randomBytes(ROUND_BYTES);
  }

  /** In both directions: a clock that is set back must not stretch an attempt. */
  #expire(): void {
    if (this.#held.size === 0) return;
    if (Math.abs(this.#parts.clock.nowMs() - this.#firstAtMs) < this.#parts.limitMs) return;
    this.#lapsedRound = this.#round;
    this.reset();
  }

  #open(envelope: Buffer): SealedShare {
    const { privateKey, publicDer } = this.#parts.shareKey;
    try {
      return openShare(privateKey, publicDer, envelope);
    } catch (cause) {
      const sentence = "This is no share that was encrypted to this signer. Nothing was taken.";
      throw new Refusal("DUAL-CONTROL", "malformed", sentence, { cause });
    }
  }

  #checkAttempt({ purpose, round }: SealedShare): void {
    if (purpose !== this.#parts.purpose) {
      throw refuse("malformed", "The share was given for something else: to unseal or to rehearse. Nothing was taken.");
    }
    if (this.#lapsedRound?.equals(round) === true) {
      throw refuse(
        "needs-person",
        "The attempt lapsed before enough shares had come. Start again with the first share.",
      );
    }
    if (!round.equals(this.#round)) {
      throw refuse("conflict", "The share was encrypted for an earlier attempt. Present it again.");
    }
  }
}

function checkSplit({ splitNumber, splitId, index, value }: SealedShare, split: PinSplit): void {
  if (splitNumber < split.number) {
    throw refuse(
      "conflict",
      `This share is of an older split; split ${split.number} has retired it. Destroy the old share.`,
    );
  }
  if (splitNumber !== split.number || splitId.toString("hex") !== split.id) {
    throw refuse("malformed", "This share is of a split that this signer does not know.");
  }
  if (!isShareOf(split, index, value)) throw refuse("malformed", "This share is wrong: damaged, mistyped or forged.");
}

function refuse(code: RefusalCode, sentence: string): Refusal {
  return new Refusal("DUAL-CONTROL", code, sentence, { field: "encrypted_share" });
}
