import { z } from "zod";
import { KEY_LABELS, type KeyLabel, type TokenLabel } from "./key-labels.ts";
import { SHARE_PURPOSES } from "./share-envelope.ts";

export { KEY_LABELS, type KeyLabel };

/**
 * What airlockd and airlock-signer say to each other over the UNIX socket: frames of a 4-byte big-endian length and
 * that many bytes of UTF-8 JSON. Requests carry an `id` that the answer repeats; answers come in any order.
 * Binary values are base64.
 */
export const MAX_FRAME_BYTES = 64 * 1024;

const base64 = z.base64().max(MAX_FRAME_BYTES);
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

/** The log's head as airlockd last made durable: sequence 0 and 64 zeros before the genesis record. */
export const LogHeadSchema = z.strictObject({ seq: z.int().nonnegative(), hash: sha256Hex });
export type LogHead = z.infer<typeof LogHeadSchema>;

export const SignerRequestSchema = z.discriminatedUnion("op", [
  z.strictObject({ id: z.int(), op: z.literal("status") }),
  /** Signs whole to-be-signed bytes that pass the gate; a ledger line is durable before the answer. */
  z.strictObject({ id: z.int(), op: z.literal("sign"), key: z.enum(KEY_LABELS), tbs: base64, head: LogHeadSchema }),
  /** Notes the log's head in the ledger, durable before the answer. */
  z.strictObject({ id: z.int(), op: z.literal("note-head"), head: LogHeadSchema }),
  /** Ceremony mode only: another log's head counts from here on. Refused unless the ledger ends with line `after`. */
  z.strictObject({
    id: z.int(),
    op: z.literal("begin-epoch"),
    head: LogHeadSchema,
    after: z.strictObject({ number: z.int().nonnegative(), hash: sha256Hex }),
  }),
  /** Ledger lines with numbers above `after`, at most 100 an answer. */
  z.strictObject({ id: z.int(), op: z.literal("read-ledger"), after: z.int().nonnegative() }),
  /** Reads the installed certificates again and repeats every KEY-CAPTIVE check. */
  z.strictObject({ id: z.int(), op: z.literal("reload") }),
  /** Ceremony mode only, once: makes the three keys in the token. */
  z.strictObject({ id: z.int(), op: z.literal("generate-keys") }),
  /** Ceremony mode only: makes the key of the next device CA, beside the one whose certificate is installed. */
  z.strictObject({ id: z.int(), op: z.literal("generate-next-key") }),
  /** Ceremony mode only, once per key: the (next) device CA's CSR or the line CA's own certificate. */
  z.strictObject({ id: z.int(), op: z.literal("sign-ceremony"), key: z.enum(["device-ca", "line-ca"]), tbs: base64 }),
  /** One custodian's share, encrypted to the signer. */
  z.strictObject({
    id: z.int(),
    op: z.literal("present-share"),
    purpose: z.enum(SHARE_PURPOSES),
    share: z.base64().max(1_024),
  }),
  /** Logs in with what the shares that are held open, or with the PIN file. */
  z.strictObject({ id: z.int(), op: z.literal("unseal") }),
  /** Forgets the PIN and logs out, before the answer. */
  z.strictObject({ id: z.int(), op: z.literal("seal") }),
  /** Ceremony mode only: shares of a new split, which confirm-split puts in force. */
  z.strictObject({
    id: z.int(),
    op: z.literal("split-pin"),
    needed: z.int().min(2).max(16),
    total: z.int().min(2).max(16),
  }),
  /** Ceremony mode only: the shares are written down; older ones are retired. */
  z.strictObject({ id: z.int(), op: z.literal("confirm-split"), split: z.string().max(8) }),
]);
export type SignerRequest = z.infer<typeof SignerRequestSchema>;

/** One key as the token shows it. */
export interface SignerKey {
  readonly label: KeyLabel;
  /** Its CKA_LABEL, where that is another: a later device CA's. */
  readonly tokenLabel?: TokenLabel;
  /** SubjectPublicKeyInfo, DER, base64. */
  readonly spki: string;
  readonly sensitive: boolean;
  readonly alwaysSensitive: boolean;
  readonly extractable: boolean;
  readonly neverExtractable: boolean;
  /** CKA_LOCAL; shown, never required (NSS reports it false for keys that it made). */
  readonly local: boolean;
}

/** How far the ledger has come; `hash` is of the last line with its LF, 64 zeros when the ledger is empty. */
export interface LedgerState {
  readonly number: number;
  readonly hash: string;
  /** Certificates signed with device-ca, ever: devices' and the bundle signer's. */
  readonly certificates: number;
  /** The newest log head that any request named. */
  readonly head: LogHead;
}

export type SignerState = "ready" | "sealed" | "away";

/** Where the signer has its PIN from. */
export type PinSourceName = "file" | "prompt" | "shares";

/** An attempt to unseal, or a rehearsal of one. */
export interface ShareRoundState {
  /** Random bytes that every share of this attempt must carry, hex. */
  readonly round: string;
  /** Numbers of the shares that are held. */
  readonly held: readonly number[];
  /** When they are forgotten unless the others come, UTC; absent while none is held. */
  readonly expiresAt?: string;
}

export interface SplitState {
  readonly number: number;
  readonly id: string;
  readonly needed: number;
  readonly total: number;
}

export interface SealingState {
  readonly source: PinSourceName;
  /** What shares are encrypted to: SPKI DER, base64. Absent where no ceremony made it. */
  readonly shareKey?: string;
  /** The split in force; absent while there is none. */
  readonly split?: SplitState;
  readonly unseal?: ShareRoundState;
  readonly rehearse?: ShareRoundState;
}

/** A new split's shares, each base64. */
export interface SplitShares extends SplitState {
  readonly values: readonly string[];
}

export interface SignerStatus {
  readonly state: SignerState;
  /** What a person must do, while `sealed`. */
  readonly reason?: string;
  readonly isCeremony: boolean;
  readonly tokenSerial: string;
  readonly keys: readonly SignerKey[];
  /** A device CA key that is made and whose certificate is not installed: it signs nothing but its CSR. */
  readonly nextDeviceCa?: SignerKey;
  readonly ledger: LedgerState;
  /** Absent only in tests' doubles. */
  readonly sealing?: SealingState;
}

/** The signer's own refusals; `needs-person` when sealed, `away` when the token is, `malformed` from the gate. */
export interface SignerFailure {
  readonly id: number;
  readonly ok: false;
  readonly control: string;
  readonly code: string;
  readonly message: string;
}

export type SignerAnswer =
  | { readonly id: number; readonly ok: true; readonly status: SignerStatus }
  | { readonly id: number; readonly ok: true; readonly signature: string; readonly ledger: number }
  | { readonly id: number; readonly ok: true; readonly ledger: number }
  | { readonly id: number; readonly ok: true; readonly lines: readonly string[] }
  | { readonly id: number; readonly ok: true; readonly held: number }
  | { readonly id: number; readonly ok: true; readonly split: SplitShares }
  | SignerFailure;
