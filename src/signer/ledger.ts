import { type Clock, isoUtc } from "../clock.ts";
import type { LedgerState, LogHead } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import type { LedgerFile } from "./ledger-file.ts";
import { encodeLedgerLine, isDeviceCaCertificate, type LedgerEntry, ledgerHash } from "./ledger-line.ts";

/** Looks at the state that a line would follow; what it throws refuses that line, and nothing is written for it. */
export type LedgerCheck = (before: LedgerState) => void;

export interface LedgerOptions {
  readonly file: LedgerFile;
  readonly clock: Clock;
  /** The state that the file's last line leaves. */
  readonly state: LedgerState;
  /** A write or sync failed: the process must stop at once and answer nobody. Called once. */
  readonly onFailure: (error: Error) => void;
}

interface Waiting {
  readonly entry: LedgerEntry;
  readonly check: LedgerCheck | undefined;
  readonly resolve: (number: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * SIGN-LEDGER: numbered, chained lines, group-committed. Everything that waits goes out in one write and one
 * fdatasync, and only then is any of it answered. Crash points: before the sync nobody was answered, and the lines
 * may or may not be found at the next start, whole or with the last one torn (open-ledger.ts cuts that one).
 *
 * After a failed write or sync the page cache may show bytes that the disk lacks, so nothing is tried again: all
 * that wait stay unanswered and `onFailure` ends the process.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  #durable: LedgerState;
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#durable = options.state;
  }

  /** What is on disk: lines of a commit under way are not in it. */
  state(): LedgerState {
    return this.#durable;
  }

  /** Resolves with the line's number when the line is on disk. Rejects only with what `check` or STORE-HEAD threw. */
  append(entry: LedgerEntry, check?: LedgerCheck): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, check, resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    await this.#committing;
  }

  async #commitAll(): Promise<void> {
    // One turn of the loop later, so that all signatures that arrived together share one commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const isDone = await this.#commit(batch);
      if (!isDone) return;
    }
    this.#committing = undefined;
  }

  /** @returns false when the ledger has failed; the batch then stays unanswered for ever. */
  async #commit(batch: readonly Waiting[]): Promise<boolean> {
    const { text, state, answers } = numberLines(batch, this.#durable, isoUtc(this.#options.clock.nowMs()));
    try {
      if (text !== "") {
        await this.#options.file.append(Buffer.from(text, "latin1"));
        await this.#options.file.datasync();
      }
    } catch (error) {
      this.#options.onFailure(error instanceof Error ? error : new Error("ledger write failed"));
      return false;
    }
    this.#durable = state;
    for (const answer of answers) answer();
    return true;
  }
}

/** Gives each entry its place; refused ones take none. Effect-free: the answers are for after the sync. */
function numberLines(batch: readonly Waiting[], before: LedgerState, at: string) {
  const lines: string[] = [];
  const answers: (() => void)[] = [];
  let state = before;
  for (const { entry, check, resolve, reject } of batch) {
    try {
      if (entry.profile !== "epoch") checkHead(entry.head, state.head);
      check?.(state);
    } catch (error) {
      answers.push(() => reject(error));
      continue;
    }
    const { line, next } = follow(state, entry, at);
    lines.push(line);
    answers.push(() => resolve(next.number));
    state = next;
  }
  return { text: lines.join(""), state, answers };
}

function follow(state: LedgerState, entry: LedgerEntry, at: string): { line: string; next: LedgerState } {
  const number = state.number + 1;
  const certificates = state.certificates + (isDeviceCaCertificate(entry.profile) ? 1 : 0);
  const line = encodeLedgerLine({ ...entry, n: number, prev: state.hash, at, certificates });
  const head = headAfter(state.head, entry);
  return { line, next: { number, hash: ledgerHash(line), certificates, head } };
}

/**
 * Requests in flight together may name heads in any order; the newest counts. An epoch begins with the head of a log
 * of its own, which may be shorter than the one that it continues.
 */
export function headAfter(known: LogHead, { profile, head }: Pick<LedgerEntry, "profile" | "head">): LogHead {
  return profile === "epoch" || head.seq > known.seq ? head : known;
}

/** STORE-HEAD: one log has one record per sequence number. */
function checkHead(named: LogHead, known: LogHead): void {
  if (named.seq === known.seq && named.hash !== known.hash) {
    throw new Refusal(
      "STORE-HEAD",
      "inconsistent",
      "The signer's ledger knows another record at this sequence number: stop and compare the stores.",
    );
  }
}
