import type { Clock } from "../clock.ts";
import type { Refusal } from "../refusal.ts";
import type { Disk } from "./disk.ts";
import type { IndexHome } from "./index-store.ts";
import type { OnLogEvent } from "./log-event.ts";

export interface LogOptions {
  /** Preferably on another disk than databaseDir. */
  readonly journalDir: string;
  readonly databaseDir: string;
  readonly clock: Clock;
  /** The log is finished and the process must end, answering nobody. */
  readonly onFatal: (refusal: Refusal) => void;
  readonly onEvent?: OnLogEvent;
  /** Free bytes on each file system below which registrations stop; 64 MiB. */
  readonly reserveBytes?: number;
  /** Directories on further file systems that a registration needs, such as the signer's ledger. */
  readonly spaceDirs?: readonly string[];
  /** Appends that may wait; 4,096. */
  readonly maxWaiting?: number;
  /** Size at which the journal starts a new segment; 64 MiB. */
  readonly segmentBytes?: number;
  /** The machine's own file system, unless given. */
  readonly disk?: Disk;
  /** LevelDB below databaseDir, unless given. */
  readonly home?: IndexHome;
  /** Free bytes on the file system of a directory; statfs, unless given. */
  readonly freeBytes?: (directory: string) => number;
}

/** What a start found and did. */
export interface OpenReport {
  /** Whether the last process closed the log. */
  readonly wasClean: boolean;
  /** "rebuilt": what was there was damaged and has been set aside. */
  readonly index: "kept" | "created" | "rebuilt";
  /** Records that were replayed from the journal into the index. */
  readonly replayed: number;
  /** Records that the side file lacked. */
  readonly reread: number;
}
