import type { Signer } from "../hsm/signer.ts";
import { findUnissued } from "../log/ledger-check.ts";
import type { Log } from "../log/log.ts";
import type { IssuingGate } from "./gate.ts";
import { accountFor, checkInstalled, checkInUse, type InstalledDeviceCa } from "./installed-device-ca.ts";

export interface Accounting {
  readonly gate: IssuingGate;
  readonly log: Log;
  readonly signer: Signer;
  /** Signatures that may have been under way when something ended. */
  readonly maxInFlight: number;
  readonly installed: InstalledDeviceCa;
}

export interface Level {
  /** Signatures that no record used; each has its own record now, durably. */
  readonly unissued: number;
  /** Lets registrations in again; must be called. */
  resume(): void;
}

/**
 * Makes ledger and log agree, with the line standing still: signatures that no record used (a crash, or an answer that
 * got lost, came between) become `unissued` records, and the first one by a newly installed device CA its own. Issuing
 * stays paused until `resume`, so that both stay level.
 * @throws Refusal STORE-HEAD `inconsistent` when the difference cannot be a crash's; DUAL-CONTROL when the log does not
 *   know the device CA as the one in use; `away` when the signer is. Issuing goes on then as far as the gate is open
 */
export async function pauseLevelWithLedger(accounting: Accounting): Promise<Level> {
  const { gate, log, signer, maxInFlight, installed } = accounting;
  const resume = await gate.pause();
  try {
    const unissued = await findUnissued(log, signer, maxInFlight);
    // After the ledger's word on the log: an older copy of it lacks the decision too, and that is not what is wrong then.
    checkInstalled(log.custody().deviceCas, installed);
    for (const signature of unissued) await log.append(accountFor(log.custody().deviceCas, installed, signature));
    checkInUse(log.custody().deviceCas, installed);
    return { unissued: unissued.length, resume };
  } catch (error) {
    resume();
    throw error;
  }
}
