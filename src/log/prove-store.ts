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
import { proveIndex } from "./prove-index.ts";
import { type JournalProof, proveJournal } from "./prove-journal.ts";
import { type OnProgress, ReportWriter, type StoreReport } from "./store-report.ts";

export interface StoreToProve {
  readonly journalDir: string;
  readonly databaseDir: string;
  readonly onProgress: OnProgress;
  /** Called with what there is to say so far, just before LevelDB is opened. */
  readonly onJournalProven: (report: StoreReport) => void;
}

/** Where the index is looked at; whoever started the proof removes it, also when the proof was cut short. */
export function snapshotOf(databaseDir: string): string {
  return join(databaseDir, "index.check");
}

/**
 * Proves journal, side file and index from the first byte to the last and says what is not as it must be. Changes no
 * store. The caller holds the log's lock. LevelDB may end the process over damaged tables, so it runs in one of its
 * own; the journal and its side file have been proven by then.
 * @throws Refusal `needs-person` when there is no log here
 */
export async function proveStore({
  journalDir,
  databaseDir,
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
  onJournalProven(report.report());
  await proveIndexOf({ journalDir, databaseDir, onProgress }, proof, report, wasClean);
  return report.report();
}

async function proveIndexOf(
  { journalDir, databaseDir, onProgress }: Omit<StoreToProve, "onJournalProven">,
  { catalog, holes }: JournalProof,
  report: ReportWriter,
  wasClean: boolean,
): Promise<void> {
  const location = join(databaseDir, "index");
  const state = await levelHome(location).state();
  if (state !== "present") return report.damage("index", state === "absent" ? ABSENT : UNOPENABLE);
  const snapshot = snapshotOf(databaseDir);
  await snapshotIndex(location, snapshot);
  const index = await openForReading(snapshot).catch(() => undefined);
  if (index === undefined) return report.damage("index", UNOPENABLE);
  const firsts = await listSegments(realDisk, journalDir);
  const journal = await Journal.open(
    { disk: realDisk, directory: journalDir, segmentBytes: DEFAULT_SEGMENT_BYTES },
    firsts,
  );
  try {
    const lineAt = async (seq: number) => (await journal.read(seq, catalog.positionAt(seq))).toString("latin1");
    await proveIndex({ index, catalog, holes, lineAt, wasClean, report, onProgress });
  } finally {
    await journal.close();
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
