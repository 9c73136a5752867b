import type { Signer } from "../hsm/signer.ts";
import { findUnissued } from "../log/ledger-check.ts";
import type { Log } from "../log/log.ts";
import type { IssuingGate } from "./gate.ts";

export interface Accounting {
  readonly gate: IssuingGate;
  readonly log: Log;
  readonly signer: Signer;
  /** Signatures that may have been under way when something ended. */
  readonly maxInFlight: number;
}

export interface Level {
  /** Signatures that no record used; each has its `unissued` record now, durably. */
  readonly unissued: number;
  /** Lets registrations in again; must be called. */
  resume(): void;
}

/**
 * Makes ledger and log agree, with the line standing still: signatures that no record used (a crash, or an answer that
 * got lost, came between) become `unissued` records. Issuing stays paused until `resume`, so that both stay level.
 * @throws Refusal STORE-HEAD `inconsistent` when the difference cannot be a crash's; `away` when the signer is. Issuing
 *   goes on then as far as the gate is open
 */
export async function pauseLevelWithLedger({ gate, log, signer, maxInFlight }: Accounting): Promise<Level> {
  const resume = await gate.pause();
  try {
    const unissued = await findUnissued(log, signer, maxInFlight);
    for (const body of unissued) await log.append({ kind: "unissued", body });
    return { unissued: unissued.length, resume };
  } catch (error) {
    resume();
    throw error;
  }
}
