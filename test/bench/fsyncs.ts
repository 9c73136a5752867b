import { closeSync, constants, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Bytes of one registration in each of the three places that make it durable. */
export interface DurableBytes {
  readonly ledger: number;
  readonly journal: number;
  readonly database: number;
}

/**
 * The three fsyncs of a registration alone, one after another as they must be: ledger line, journal line, LevelDB's
 * log. The same sizes and system calls, on the disk of `dir`; nothing else is done. The limit of one at a time.
 * @returns milliseconds for each round of three
 */
export function measureFsyncs(dir: string, bytes: DurableBytes, rounds: number): Float64Array {
  const place = mkdtempSync(join(dir, "fsyncs-"));
  const { O_APPEND, O_CREAT, O_WRONLY } = constants;
  const open = (name: string) => openSync(join(place, name), O_WRONLY | O_APPEND | O_CREAT, 0o600);
  const files = { ledger: open("ledger"), journal: open("journal"), database: open("database") };
  const durationsMs = new Float64Array(rounds);
  try {
    for (let round = 0; round < rounds; round++) {
      const startedMs = performance.now();
      writeSync(files.ledger, Buffer.alloc(bytes.ledger, round));
      fdatasyncSync(files.ledger);
      writeSync(files.journal, Buffer.alloc(bytes.journal, round));
      fdatasyncSync(files.journal);
      writeSync(files.database, Buffer.alloc(bytes.database, round));
      fdatasyncSync(files.database);
      durationsMs[round] = performance.now() - startedMs;
    }
    return durationsMs;
  } finally {
    for (const file of Object.values(files)) closeSync(file);
    rmSync(place, { recursive: true });
  }
}
