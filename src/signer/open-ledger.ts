import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { claimSocket } from "../claim-socket.ts";
import type { Clock } from "../clock.ts";
import type { LedgerState } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import { Ledger } from "./ledger.ts";
import { type LedgerFile, ledgerFileOn } from "./ledger-file.ts";
import { BATCH_BYTES, brokenLedger, readExactly, readLedgerTail, verifyLedgerTail } from "./ledger-tail.ts";
import { LedgerReader } from "./read-ledger.ts";
import { syncDirectory } from "./sync-directory.ts";

export const LEDGER_FILE = "ledger.ndjson";
const LOCK_FILE = "lock";

export interface OpenLedgerOptions {
  readonly directory: string;
  /** In the ceremony alone is a missing ledger made. */
  readonly isCreating: boolean;
  readonly clock: Clock;
  /** See LedgerOptions. */
  readonly onFailure: (error: Error) => void;
  /** Stands between the ledger and its file in tests. */
  readonly wrapFile?: (file: LedgerFile) => LedgerFile;
}

export interface OpenLedger {
  readonly ledger: Ledger;
  readonly reader: LedgerReader;
  /** Waits for commits under way, then lets go of the file and of the lock. */
  close(): Promise<void>;
}

/**
 * Opens the ledger for this process alone: verifies its tail, cuts an unterminated last line and makes everything
 * that is left durable before the first append.
 * @throws Refusal `inconsistent` (SIGN-LEDGER) when it is missing or broken, `needs-person` when another signer has it
 */
export async function openLedger(options: OpenLedgerOptions): Promise<OpenLedger> {
  const { directory, isCreating, clock, onFailure, wrapFile = (file) => file } = options;
  const path = join(directory, LEDGER_FILE);
  if (isCreating) await createLedger(directory, path);
  const found = await openExisting(path);
  const lock = await lockLedger(directory).catch((error) => closeAndThrow(error, found));
  const state = await repair(found, isCreating).catch((error) => closeAndThrow(error, found, lock));
  await found.close();
  const appending = await open(path, constants.O_WRONLY | constants.O_APPEND);
  const reading = await open(path, constants.O_RDONLY);
  const ledger = new Ledger({ file: wrapFile(ledgerFileOn(appending.fd)), clock, state, onFailure });
  return {
    ledger,
    reader: new LedgerReader(reading, () => ledger.state().number),
    async close() {
      await ledger.drain();
      await Promise.all([appending.close(), reading.close(), lock.close()]);
    },
  };
}

/** Crash point: the file is not known to exist until its directory is synced too. */
async function createLedger(directory: string, path: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = await open(path, constants.O_CREAT | constants.O_RDWR, 0o600);
  await file.sync();
  await file.close();
  await syncDirectory(directory);
  await syncDirectory(dirname(directory));
}

async function openExisting(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR);
  } catch (cause) {
    throw missingLedger(cause);
  }
}

function missingLedger(cause?: unknown): Refusal {
  const sentence =
    "The signer's ledger is missing or empty. It is made by the ceremony alone: find it, or call the custodians.";
  return new Refusal("SIGN-LEDGER", "inconsistent", sentence, { cause });
}

interface Closable {
  close(): Promise<void>;
}

/** Two signers on one ledger would give one number twice. Reached through /proc: the directory's path may be long. */
async function lockLedger(path: string): Promise<Closable> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const within = `/proc/self/fd/${directory.fd}/${LOCK_FILE}`;
    const server = await claimSocket(within, "Another signer has this ledger: stop it first.", 0o600);
    return {
      async close() {
        await new Promise((resolve) => server.close(resolve));
        await directory.close();
      },
    };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/**
 * Cuts a torn last line and writes the end of the file again in place. The second matters after a failed sync: the
 * page cache may then show lines that the disk lacks, and new lines would chain to them.
 */
async function repair(file: FileHandle, mayBeEmpty: boolean): Promise<LedgerState> {
  const tail = await readLedgerTail(file);
  const state = verifyLedgerTail(tail);
  // The ceremony leaves lines behind, so an empty ledger afterwards is one that somebody emptied.
  if (state.number === 0 && !mayBeEmpty) throw missingLedger();
  await file.truncate(tail.end);
  const from = Math.max(0, tail.end - BATCH_BYTES);
  const bytes = await readExactly(file, from, tail.end - from);
  const { bytesWritten } = await file.write(bytes, 0, bytes.length, from);
  if (bytesWritten !== bytes.length) throw brokenLedger();
  await file.sync();
  return state;
}

async function closeAndThrow(error: unknown, ...held: readonly Closable[]): Promise<never> {
  await Promise.all(held.map((one) => one.close()));
  throw error;
}
