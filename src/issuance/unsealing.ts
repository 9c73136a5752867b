import type { SealingState, SignerStatus } from "../hsm/messages.ts";
import type { SharePurpose } from "../hsm/share-envelope.ts";
import type { Signer } from "../hsm/signer.ts";
import type { Log } from "../log/log.ts";
import type { By } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import { KeyedLock } from "./keyed-lock.ts";

export interface UnsealingParts {
  readonly log: Log;
  readonly signer: Signer;
  /** Called when the signer's state may have changed. */
  readonly onChange: () => Promise<unknown>;
}

export interface Presented {
  readonly held: number;
  readonly needed: number;
  /** The HSM is unsealed, or the rehearsal has succeeded. */
  readonly isComplete: boolean;
}

/**
 * Takes the signer to sealed and back for custodians: what they present is relayed unread, and every step that changes
 * anything is a record before it is taken. Calls run one after another.
 */
export class Unsealing {
  readonly #parts: UnsealingParts;
  readonly #lock = new KeyedLock();
  /** Who presented a share of the attempt under way, by the signer's name of that attempt. */
  readonly #persons: Record<SharePurpose, { round: string; names: string[] }> = {
    unseal: { round: "", names: [] },
    rehearse: { round: "", names: [] },
  };

  constructor(parts: UnsealingParts) {
    this.#parts = parts;
  }

  /**
   * Relays one share. With the last one the HSM is unsealed, or the rehearsal done, when it resolves.
   * @throws Refusal by DUAL-CONTROL for the share, KEY-CAPTIVE for the token
   */
  async present(purpose: SharePurpose, envelope: Buffer, by: By): Promise<Presented> {
    return await this.#inTurn(async () => {
      const { signer, log, onChange } = this.#parts;
      const sealing = await this.#sealing();
      const persons = await this.#personsOf(purpose, sealing);
      if (persons.includes(by.client)) throw secondShare();
      const held = await signer.presentShare(purpose, envelope);
      persons.push(by.client);
      const needed = sealing.split?.needed ?? 0;
      if (held < needed) return { held, needed, isComplete: false };
      if (purpose === "rehearse") await log.append({ kind: "act", body: { act: "rehearse-shares", persons, by } });
      else {
        // On record first; a crash in between leaves the HSM sealed.
        await log.append({ kind: "act", body: { act: "unseal-hsm", how: "shares", persons, by } });
        await signer.unseal().finally(onChange);
      }
      return { held, needed, isComplete: true };
    });
  }

  /** One custodian is enough: it takes nothing away that several cannot give back. */
  async seal(by: By): Promise<void> {
    await this.#inTurn(async () => {
      const { log, signer, onChange } = this.#parts;
      await signer.status();
      await log.append({ kind: "act", body: { act: "seal-hsm", by } });
      await signer.seal().finally(onChange);
    });
  }

  /** Undoes a seal where the PIN is a file. @throws Refusal elsewhere */
  async unseal(by: By): Promise<void> {
    await this.#inTurn(async () => {
      const { log, signer, onChange } = this.#parts;
      const { state, sealing } = await signer.status();
      if (state !== "sealed") throw notSealed();
      if (sealing?.source !== "file") throw notByOne(sealing);
      await log.append({ kind: "act", body: { act: "unseal-hsm", how: "file", persons: [by.client], by } });
      await signer.unseal().finally(onChange);
    });
  }

  /**
   * Notes what happened at the signer's own console or at a ceremony: a PIN that was typed, a new split.
   * @param wasSealed whether the signer was seen sealed before this status
   */
  async note({ state, sealing }: SignerStatus, wasSealed: boolean): Promise<void> {
    const { log } = this.#parts;
    if (sealing?.source === "prompt" && wasSealed && state === "ready") {
      await log.append({ kind: "act", body: { act: "unseal-hsm", how: "console", persons: [], by: "console" } });
    }
    if (sealing?.split === undefined || (await this.#isSplitNoted(sealing.split.id))) return;
    await log.append({ kind: "act", body: { act: "split-pin", split: sealing.split, by: "ceremony" } });
  }

  async #isSplitNoted(id: string): Promise<boolean> {
    for await (const record of this.#parts.log.readKind("act")) {
      if (record.act === "split-pin" && record.split.id === id) return true;
    }
    return false;
  }

  async #sealing(): Promise<SealingState> {
    const { sealing } = await this.#parts.signer.status();
    if (sealing === undefined) throw notByOne(sealing);
    return sealing;
  }

  /** After a restart nobody knows any more who presented what the signer holds: that attempt is given up. */
  async #personsOf(purpose: SharePurpose, sealing: SealingState): Promise<string[]> {
    const round = sealing[purpose]?.round ?? "";
    const known = this.#persons[purpose];
    if (known.round === round) return known.names;
    if (purpose === "unseal" && (sealing.unseal?.held.length ?? 0) > 0) await this.#parts.signer.seal();
    this.#persons[purpose] = { round, names: [] };
    return this.#persons[purpose].names;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.#lock.acquire(["sealing"]);
    try {
      return await work();
    } finally {
      release();
    }
  }
}

function secondShare(): Refusal {
  const sentence = "This person has presented a share already. A different custodian must present the next.";
  return new Refusal("DUAL-CONTROL", "needs-person", sentence);
}

function notSealed(): Refusal {
  return new Refusal("DUAL-CONTROL", "conflict", "The HSM is not sealed. Nothing was done.");
}

function notByOne(sealing: SealingState | undefined): Refusal {
  const sentence =
    sealing?.source === "prompt"
      ? "The PIN is typed at the signer's own console. Nothing was done."
      : "Custodians must present their shares: airlock-custody shares present";
  return new Refusal("DUAL-CONTROL", "needs-person", sentence);
}
