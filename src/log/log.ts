import type { LogHead } from "../hsm/messages.ts";
import type { CustodyView } from "./custody-state.ts";
import type {
  ClientRole,
  LedgerBaseline,
  LogRecord,
  RecordDraft,
  RecordKind,
  RegistrationRecord,
  StoredRecord,
} from "./record.ts";

/** Where a registration is on its way to the Factory. Only a verified receipt moves it past `sealed`. */
export type RegistrationState = "queued" | "sealed" | "delivered" | "duplicate" | "rejected" | "superseded" | "voided";

/** A registration with what later records say about it. */
export interface RegistrationView {
  readonly record: RegistrationRecord;
  readonly state: RegistrationState;
  /** The name now: the record's own, or the last resubmission's. */
  readonly name: string;
  /** Bundle number; undefined while queued. */
  readonly bundle?: number;
  readonly rejectCode?: string;
}

export interface EnrolledClient {
  readonly sha256: string;
  readonly role: ClientRole;
  readonly name: string;
  readonly notAfter: string;
  readonly enrolledAt: string;
  readonly revokedAt?: string;
}

export interface TrustedImporter {
  readonly id: string;
  readonly sha256: string;
  readonly pem: string;
}

export interface SealedBundle {
  readonly bundle: number;
  readonly id: string;
  readonly first: number;
  readonly last: number;
  readonly registrations: number;
  readonly sealedAt: string;
  /** Sequence number of the seal's own record. */
  readonly seq: number;
  readonly isAcknowledged: boolean;
}

/** What the whole log adds up to; cheap to read, always of one moment. */
export interface LogSummary {
  readonly log: string;
  readonly head: LogHead;
  readonly headAt: string;
  /** CLOCK-SANE: the newest time of any record but counted refusals, or of a receipt; since the last confirmation. */
  readonly clockFloorMs: number;
  /** CLOCK-SANE: the newest time that was itself checked: a registration's, a receipt's or a confirmation's. */
  readonly clockBaselineMs: number;
  readonly registrations: number;
  /** Registrations that no bundle carries yet. */
  readonly queued: number;
  readonly queuedSince?: string;
  /** Last sequence number that a bundle carries; 0 for none. */
  readonly sealedThrough: number;
  /** Registrations that the Factory has: delivered, or found there already. */
  readonly delivered: number;
  readonly rejected: number;
  /** `thru` of the last receipt; 0 for none. */
  readonly deliveredThrough: number;
  readonly lastReceipt?: {
    readonly importer: string;
    readonly number: number;
    readonly sha256: string;
    readonly issuedAt: string;
  };
  /** Highest ledger number that any record names. */
  readonly ledger: number;
  /** Where the ledger stood when this log began, if it continues another one. */
  readonly baseline?: LedgerBaseline;
  /** Device-ca certificates that the records account for: the baseline's, registrations, unissued, the bundle's. */
  readonly certificates: number;
  /** Whether any record after `sealedThrough` is of a kind that deserves a bundle of its own. */
  readonly hasUnsealedNews: boolean;
}

/**
 * The log: one append-only, hash-chained sequence of records with its indexes (DESIGN: journal and LevelDB).
 *
 * Concurrency: everything may be called concurrently; appends are grouped, one journal write and one index batch for
 * all that wait. Reads see every append whose promise has resolved.
 *
 * Failure: a Refusal with `inconsistent` means that the process must stop and answer nobody; `exhausted` with
 * STORE-SPACE means that nothing was written and other kinds of records may still fit.
 */
export interface Log {
  /**
   * Appends one record. When it resolves, the record is in the journal and in the index, both fsynced (STORE-CHAIN,
   * ISSUE-DURABLE). When it rejects, the caller must not answer; the record may or may not exist after a restart.
   */
  append(draft: RecordDraft): Promise<StoredRecord>;

  /** The newest registration of a device uuid. */
  findByUuid(uuid: string): Promise<RegistrationView | undefined>;
  /** The newest registration of a public key, by SHA-256 of its SPKI. */
  findByKey(spkiSha256: string): Promise<RegistrationView | undefined>;
  /** The registration that holds a device name now. */
  findByName(name: string): Promise<RegistrationView | undefined>;
  /** One registration by its sequence number. */
  findRegistration(seq: number): Promise<RegistrationView | undefined>;
  /** Every registration in sequence order. */
  registrations(): AsyncIterable<RegistrationView>;

  /** Records first..last, verified against their hash chain while they are read. */
  read(first: number, last: number): AsyncIterable<StoredRecord>;
  /** Records of one kind in sequence order, at or after `from`. */
  readKind<K extends RecordKind>(kind: K, from?: number): AsyncIterable<Extract<LogRecord, { kind: K }>>;

  /** SHA-256 of a record's line with its LF; undefined for numbers beyond the head. */
  hashAt(seq: number): string | undefined;
  /** Ledger numbers above `after` that records name; looks at every record, so for starts only. */
  ledgerNumbers(after: number): ReadonlySet<number>;
  /** @throws Refusal STORE-SPACE `exhausted` while registrations would be refused for want of room */
  checkSpace(): void;
  summary(): LogSummary;
  client(sha256: string): EnrolledClient | undefined;
  clients(): readonly EnrolledClient[];
  importer(id: string): TrustedImporter | undefined;
  bundles(): readonly SealedBundle[];
  /** Proposals, work orders and other decisions of custodians; always of the moment of asking. */
  custody(): CustodyView;

  /** Waits for appends in flight, then closes both stores. */
  close(): Promise<void>;
}
