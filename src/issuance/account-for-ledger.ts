import type { Signer } from "../hsm/signer.ts";
import { findUnissued } from "../log/ledger-check.ts";
import type { Log } from "../log/log.ts";

/**
 * Makes ledger and log agree: signatures that no record used (a crash, or an answer that got lost, came between) become
 * `unissued` records. Call it while nothing is being signed. Returns how many there were; they are durable then.
 * @throws Refusal STORE-HEAD `inconsistent` when the difference cannot be a crash's; `away` when the signer is
 */
export async function accountForLedger(log: Log, signer: Signer, maxInFlight: number): Promise<number> {
  const unissued = await findUnissued(log, signer, maxInFlight);
  for (const body of unissued) await log.append({ kind: "unissued", body });
  return unissued.length;
}
