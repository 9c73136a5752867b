import { fork } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import { abortedProof, snapshotOf } from "../../log/prove-store.ts";
import type { ProvePhase, StoreReport } from "../../log/store-report.ts";
import { MAX_IN_FLIGHT } from "../../service.ts";
import { openProgress } from "../progress.ts";
import type { FromProver } from "./prove-store-child.ts";

const PROGRAM = fileURLToPath(
  new URL(`./prove-store-child.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url),
);

/**
 * Proves the stores in a process of its own, with a bar on a terminal. A process that LevelDB takes down is a result:
 * the index is damaged. The caller holds the log.
 * @param isWithLedger whether the signer's ledger is compared too
 * @throws Error when the process ended before it had read the journal
 */
export async function proveApart({ store, signer }: ApplianceConfig, isWithLedger = false): Promise<StoreReport> {
  const progress = openProgress();
  let phase: ProvePhase | undefined;
  let journalProven: StoreReport | undefined;
  let proven: StoreReport | undefined;
  const ledger = isWithLedger ? [signer.socket, signer.ledger, String(MAX_IN_FLIGHT)] : [];
  const child = fork(PROGRAM, [store.journal, store.database, ...ledger], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  child.on("message", (message: FromProver) => {
    if (message.kind === "proven") proven = message.report;
    else if (message.kind === "journal-proven") journalProven = message.report;
    else {
      if (message.phase !== phase) progress.phase(`proving the ${message.phase}`);
      phase = message.phase;
      progress.advance(message.done, message.of);
    }
  });
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    progress.end();
    if (proven !== undefined) return proven;
    if (journalProven !== undefined) return abortedProof(journalProven);
    throw new Error(`the journal could not be read: the process that read it ended with ${signal ?? code}`);
  } finally {
    child.kill();
    await rm(snapshotOf(store.database), { recursive: true, force: true });
  }
}
