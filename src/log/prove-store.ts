import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Catalog } from "./catalog.ts";
import { ENTRY_BYTES } from "./catalog-entry.ts";
import { MAGIC } from "./catalog-file.ts";
import { realDisk } from "./disk.ts";
import { snapshotIndex } from "./index-snapshot.ts";
import { DEFAULT_SEGMENT_BYTES, Journal } from "./journal.ts";
import { checkHasSegments, listSegments } from "./journal-recovery.ts";
import { levelHome, openForReading } from "./level-store.ts";
import { proveCatalog } from "./prove-catalog.ts";
import { type IndexToProve, proveIndex } from "./prove-index.ts";
import { type JournalProof, proveJournal } from "./prove-journal.ts";
import { proveLedger } from "./prove-ledger.ts";
import { type OnProgress, ReportWriter, type StoreReport } from "./store-report.ts";

export interface StoreToProve {
  readonly journalDir: string;
  readonly databaseDir: string;
  /** The signer's ledger, where it is to be compared; see LedgerToProve. */
  readonly ledger?: { readonly lines: AsyncIterable<string> | undefined; readonly maxInFlight: number };
  readonly onProgress: OnProgress;
  /** Called with what there is to say so far, just before LevelDB is opened. */
  readonly onJournalProven: (report: StoreReport) => void;
}

/** Where the index is looked at; whoever started the proof removes it, also when the proof was cut short. */
export function snapshotOf(databaseDir: string): string {
  return join(databaseDir, "index.check");
}

/**
 * Proves journal, side file, the signer's ledger and the index from the first byte to the last and says what is not as
 * it must be. Changes no store. The caller holds the log's lock. LevelDB may end the process over damaged tables, so it runs in one of its
 * own; the journal and its side file have been proven by then.
 * @throws Refusal `needs-person` when there is no log here
 */
export async function proveStore({
  journalDir,
  databaseDir,
  ledger,
  onProgress,
  onJournalProven,
}: StoreToProve): Promise<StoreReport> {
  const home = levelHome(join(databaseDir, "index"));
  checkHasSegments(await listSegments(realDisk, journalDir), (await home.state()) === "present");
  const report = new ReportWriter();
  const wasClean = (await realDisk.size(join(journalDir, "running"))) === undefined;
  const around = { wasClean, report, onProgress };
  const bytes = await readFile(join(journalDir, "catalog")).catch(() => undefined);
  const known = new Catalog();
  const sound = bytes?.toString("latin1", 0, ENTRY_BYTES) === MAGIC ? known.adopt(bytes.subarray(ENTRY_BYTES)) : 0;
  const proof = await proveJournal({ disk: realDisk, directory: journalDir, known, ...around });
  const isJournalWhole = proof.holes.size === 0;
  proveCatalog({ bytes, sound, expected: proof.catalog, isJournalWhole, ...around });
  const reader = await openReader(journalDir, proof);
  try {
    if (ledger !== undefined) await proveLedger({ ...ledger, ...proof, ...around, lineAt: reader.lineAt });
    onJournalProven(report.report());
    await proveIndexOf({ databaseDir, ...proof, ...around, lineAt: reader.lineAt });
  } finally {
    await reader.close();
  }
  return report.report();
}

/** Reads single lines of a journal that was walked through. */
async function openReader(journalDir: string, { catalog }: JournalProof) {
  const options = { disk: realDisk, directory: journalDir, segmentBytes: DEFAULT_SEGMENT_BYTES };
  const journal = await Journal.open(options, await listSegments(realDisk, journalDir));
  return {
    lineAt: async (seq: number) => (await journal.read(seq, catalog.positionAt(seq))).toString("latin1"),
    close: () => journal.close(),
  };
}

async function proveIndexOf(proof: Omit<IndexToProve, "index"> & { readonly databaseDir: string }): Promise<void> {
  const { databaseDir, report } = proof;
  const location = join(databaseDir, "index");
  const state = await levelHome(location).state();
  if (state !== "present") return report.damage("index", state === "absent" ? ABSENT : UNOPENABLE);
  const snapshot = snapshotOf(databaseDir);
  await snapshotIndex(location, snapshot);
  const index = await openForReading(snapshot).catch(() => undefined);
  if (index === undefined) return report.damage("index", UNOPENABLE);
  try {
    await proveIndex({ ...proof, index });
  } finally {
    await index.close();
  }
}

const ABSENT = "The index is missing. No record is lost: the next start makes it again from the journal.";
const UNOPENABLE =
  "The index is damaged and does not open. No record is lost: the next start sets it aside and makes it again.";

/** The report when the process that read the index was ended by LevelDB. */
export function abortedProof(journalProven: StoreReport): StoreReport {
  const message =
    "LevelDB ended the process that read the index: its files are damaged. No record is lost by that: " +
    "airlockd --rebuild makes the index again from the journal.";
  const finding = { store: "index", control: "STORE-CHAIN", severity: "damage", message } as const;
  return {
    ...journalProven,
    findings: [...journalProven.findings, finding],
    damages: journalProven.damages + 1,
  };
}
