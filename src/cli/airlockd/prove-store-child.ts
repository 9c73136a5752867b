import { proveStore } from "../../log/prove-store.ts";
import type { ProvePhase, StoreReport } from "../../log/store-report.ts";
import { ledgerLines } from "./ledger-lines.ts";

/** What the proving process says to its parent. */
export type FromProver =
  | { readonly kind: "progress"; readonly phase: ProvePhase; readonly done: number; readonly of: number }
  | { readonly kind: "journal-proven"; readonly report: StoreReport }
  | { readonly kind: "proven"; readonly report: StoreReport };

const REPORT_MS = 100;

/** Started by prove-apart.ts with the directories, and the signer's socket where its ledger is to be proven too: whatever LevelDB does to this process happens to it alone. */
const [journalDir = "", databaseDir = "", socket, ledgerDir = "", maxInFlight] = process.argv.slice(2);
const tell = (message: FromProver) => void process.send?.(message);
let toldAt = 0;
let toldPhase: ProvePhase | undefined;
const report = await proveStore({
  journalDir,
  databaseDir,
  ...(socket === undefined
    ? {}
    : { ledger: { lines: await ledgerLines(socket, ledgerDir), maxInFlight: Number(maxInFlight) } }),
  onProgress: (phase, done, of) => {
    const now = Date.now();
    if (phase === toldPhase && done < of && now - toldAt < REPORT_MS) return;
    toldAt = now;
    toldPhase = phase;
    tell({ kind: "progress", phase, done, of });
  },
  onJournalProven: (soFar) => tell({ kind: "journal-proven", report: soFar }),
});
tell({ kind: "proven", report });
process.disconnect?.();
