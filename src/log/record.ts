import type { CaIdentity, ProposedAct } from "./proposed-act.ts";

/**
 * The records of the log. A record is one line of JSON whose bytes never change; members stand in the order of these
 * interfaces, absent ones are left out. Times are UTC ISO 8601 with milliseconds, hashes lower-case hex SHA-256.
 */

/** Members that every record starts with, in this order. */
export interface RecordHeader {
  readonly v: 1;
  readonly kind: RecordKind;
  /** Log id, 8 hex digits. */
  readonly log: string;
  /** Dense from 1. */
  readonly seq: number;
  /** SHA-256 of the previous line with its LF; 64 zeros in the genesis record. */
  readonly prev: string;
  readonly at: string;
}

export const RECORD_KINDS = [
  "genesis",
  "registration",
  "unissued",
  "void",
  "resubmit",
  "act",
  "refusals",
  "seal",
  "receipt",
  "delivery",
] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** Who asked: the enrolled client. */
export interface By {
  readonly client: string;
  readonly clientSha256: string;
}

export interface PublicKeyIdentity {
  readonly spkiSha256: string;
  readonly certSha256: string;
}

/** The signer's ledger when a continuing log began: no record of that log accounts for what it counts. */
export interface LedgerBaseline {
  readonly number: number;
  /** SHA-256 of the ledger's last line; 64 zeros for an empty one. */
  readonly hash: string;
  readonly certificates: number;
}

export interface GenesisBody {
  readonly factory: string;
  readonly appliance: string;
  /** SHA-256 of the Factory root's DER. */
  readonly factoryRootSha256: string;
  readonly keys: {
    readonly deviceCa: PublicKeyIdentity;
    readonly bundleSign: PublicKeyIdentity;
    readonly lineCa: PublicKeyIdentity;
  };
  /** Ledger number of the bundle certificate's signature: the first device-ca certificate. */
  readonly bundleCertLedger: number;
  /** How many custodians an act under DUAL-CONTROL needs. */
  readonly quorum: number;
  /** Id of the log that this one continues, where that one ended, and where the signer's ledger stood. */
  readonly continues?: {
    readonly log: string;
    readonly seq: number;
    readonly hash: string;
    readonly ledger: LedgerBaseline;
  };
}

/**
 * A device's certificate as it left. The public key is the certificate's; it has no member of its own, so the two can
 * never disagree.
 */
export interface RegistrationBody {
  readonly device: {
    readonly uuid: string;
    readonly name: string;
    readonly hardwareId: string;
    readonly group?: string;
    readonly production: boolean;
  };
  readonly cert: {
    readonly sha256: string;
    /** Lower-case hex, even number of digits. */
    readonly serial: string;
    readonly notAfter: string;
    readonly pem: string;
  };
  readonly csrSha256: string;
  readonly caSha256: string;
  readonly by: By;
  readonly order?: string;
  readonly ledger: number;
  /** Sequence number of the registration that this one replaces. */
  readonly replaces?: number;
  /** Carried over: its number in the log that this one continues. `ledger` is then the ledger's of that time. */
  readonly former?: number;
}

/** A signature that the ledger shows and no record used: a crash came between. */
export interface UnissuedBody {
  readonly ledger: number;
  readonly tbsSha256: string;
}

export interface VoidBody {
  readonly registration: number;
  readonly reason: string;
  readonly by: By;
}

export interface ResubmitBody {
  readonly registration: number;
  readonly name: string;
  readonly by: By;
}

/** An act of a person. `by` is "ceremony" for the enrolments that a genesis brings along. */
export type ActBody =
  | {
      readonly act: "enroll-client";
      readonly client: {
        readonly sha256: string;
        readonly role: ClientRole;
        readonly name: string;
        readonly notAfter: string;
        readonly spkiSha256: string;
      };
      /** A renewal: the certificate of the same role and name that this record revokes. */
      readonly replaces?: string;
      readonly by: By | "ceremony";
    }
  | { readonly act: "revoke-client"; readonly clientSha256: string; readonly by: By }
  | {
      readonly act: "trust-importer";
      readonly importer: { readonly id: string; readonly sha256: string; readonly pem: string };
      readonly by: By | "ceremony";
    }
  | {
      /** A piece of the Factory's deny list as an importer sent it; the last piece puts the whole list in force. */
      readonly act: "deny-list";
      readonly list: DenyListPiece;
      readonly by: By;
    }
  | {
      readonly act: "propose";
      /** SHA-256 of `what` as it stands in the line. */
      readonly proposal: string;
      readonly what: ProposedAct;
      /** Where it was decided without airlockd: the custodian's own, see act-approval.ts. */
      readonly signature?: string;
      readonly by: By;
    }
  | {
      /** The last approval that a proposal needs puts it in force (DUAL-CONTROL). */
      readonly act: "approve";
      readonly proposal: string;
      /** With the last approval of `enroll-custodian`: the certificate that it enrols. */
      readonly enrolled?: EnrolledCustodian;
      readonly signature?: string;
      readonly by: By;
    }
  | { readonly act: "seal-hsm"; readonly by: By }
  | {
      /** Before the signer hears of it; at its own console, as soon as that is noticed. */
      readonly act: "unseal-hsm";
      readonly how: "shares" | "file" | "console";
      /** Who presented shares, in their order. */
      readonly persons: readonly string[];
      readonly by: By | "console";
    }
  | { readonly act: "rehearse-shares"; readonly persons: readonly string[]; readonly by: By }
  | {
      /** Made at a ceremony, with airlockd stopped; noted at the next start. */
      readonly act: "split-pin";
      readonly split: { readonly number: number; readonly id: string; readonly needed: number; readonly total: number };
      readonly by: "ceremony";
    }
  | {
      /**
       * The device CA of a `rotate-device-ca` in force is in use from here on: noted at airlockd's first start with it,
       * before anything is signed by it. No former one comes back after that.
       */
      readonly act: "install-device-ca";
      readonly deviceCa: PublicKeyIdentity;
      readonly bundleSign: PublicKeyIdentity;
      /** The one before: a bundle of both then says by itself who issued what. */
      readonly former: CaIdentity;
      /** Ledger number of the new bundle certificate's signature; left out where a continuing log carries this over. */
      readonly ledger?: number;
      /** SHA-256 of what that signature is over. */
      readonly tbsSha256: string;
      readonly by: "ceremony";
    };

export const DENY_MODES = ["refuse", "warn"] as const;
/** What meets a board that the Factory denies. */
export type DenyMode = (typeof DENY_MODES)[number];

export interface DenyListPiece {
  readonly importer: string;
  /** SHA-256 of the list's CMS, DER: the same in all its pieces. */
  readonly sha256: string;
  /** The importer's own time of asking the Factory. */
  readonly issuedAt: string;
  readonly mode: DenyMode;
  /** From 1 to `parts`: a long list does not fit into one line. */
  readonly part: number;
  readonly parts: number;
  readonly uuids: readonly string[];
}

export interface EnrolledCustodian {
  readonly sha256: string;
  readonly name: string;
  readonly notAfter: string;
  readonly spkiSha256: string;
  readonly pem: string;
}

export const CLIENT_ROLES = ["station", "operator", "custodian", "auditor"] as const;
export type ClientRole = (typeof CLIENT_ROLES)[number];

export interface RefusalsBody {
  /** The minute that was counted, UTC, `2026-11-23T02:35Z`. */
  readonly minute: string;
  readonly counts: readonly { readonly client: string; readonly control: string; readonly count: number }[];
}

/** A sealed bundle: everything that cannot be read from the log itself again. */
export interface SealBody {
  readonly bundle: number;
  /** SHA-256 of SHA256SUMS. */
  readonly id: string;
  readonly first: number;
  readonly last: number;
  readonly registrations: number;
  readonly files: {
    readonly sums: string;
    readonly signature: string;
    readonly manifest: string;
    readonly verify: string;
  };
  readonly ledger: number;
  readonly by: By;
}

export interface ReceiptBody {
  readonly importer: string;
  readonly number: number;
  /** SHA-256 of the receipt's CMS, DER. */
  readonly sha256: string;
  readonly bundles: readonly number[];
  readonly thru: number;
  /** With `through`: every registration from `seq` to `through`, both included. */
  readonly exceptions: readonly {
    readonly seq: number;
    readonly through?: number;
    readonly outcome: string;
    readonly code?: string;
  }[];
  readonly missing: readonly number[];
  /** The importer's own time of issue, which CLOCK-SANE compares with. */
  readonly issuedAt: string;
  readonly by: By;
}

export interface DeliveryBody {
  readonly uuid: string;
  readonly outcome: "created" | "already-there" | "failed";
  readonly httpStatus: number;
  readonly by: By;
}

/** What a caller hands to the log; sequence, hash and log id are the writer's to give. */
export type RecordDraft =
  | { readonly kind: "genesis"; readonly body: GenesisBody }
  | { readonly kind: "registration"; readonly body: RegistrationBody }
  | { readonly kind: "unissued"; readonly body: UnissuedBody }
  | { readonly kind: "void"; readonly body: VoidBody }
  | { readonly kind: "resubmit"; readonly body: ResubmitBody }
  | { readonly kind: "act"; readonly body: ActBody }
  | { readonly kind: "refusals"; readonly body: RefusalsBody }
  | { readonly kind: "seal"; readonly body: SealBody }
  | { readonly kind: "receipt"; readonly body: ReceiptBody }
  | { readonly kind: "delivery"; readonly body: DeliveryBody };

/** A parsed line: header members and the body's beside each other, as they stand in the line. */
export type LogRecord = {
  [K in RecordKind]: RecordHeader & { readonly kind: K } & Extract<RecordDraft, { kind: K }>["body"];
}[RecordKind];

export type RegistrationRecord = Extract<LogRecord, { kind: "registration" }>;
export type SealRecord = Extract<LogRecord, { kind: "seal" }>;

/** A record as it is stored: `line` is its exact bytes as text, with the final LF. */
export interface StoredRecord {
  readonly seq: number;
  readonly line: string;
  /** SHA-256 of `line`. */
  readonly hash: string;
}
