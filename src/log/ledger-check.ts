import type { Signer } from "../hsm/signer.ts";
import type { Log } from "./log.ts";
import { reconcileLedger } from "./reconcile.ts";
import type { UnissuedBody } from "./record.ts";

/**
 * Compares the log with the signer's ledger, while nothing is being signed.
 * @returns the signatures to be recorded as `unissued`
 * @throws Refusal STORE-HEAD `inconsistent`; `away` when the signer cannot be reached
 */
export async function findUnissued(
  log: Log,
  signer: Pick<Signer, "status" | "readLedger">,
  maxInFlight: number,
): Promise<UnissuedBody[]> {
  const { ledger } = await signer.status();
  const { unissued } = await reconcileLedger({ log, ledger, lines: (after) => signer.readLedger(after), maxInFlight });
  return unissued;
}
