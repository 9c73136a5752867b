import type { KeyLabel, LogHead, SignerStatus } from "./messages.ts";
import type { SharePurpose } from "./share-envelope.ts";

/** A signature and the ledger line that accounts for it. */
export interface SignedBytes {
  /** X.509 form: DER ECDSA-Sig-Value, or the raw RSA signature. */
  readonly signature: Buffer;
  /** Number of the ledger line, durable before this value exists. */
  readonly ledger: number;
}

/**
 * The signer as airlockd sees it. All calls may run concurrently. Every call rejects with a Refusal:
 * `needs-person` while sealed, `away` when the signer or its token cannot be reached (retry later; nothing is known
 * to be signed, but a ledger line may exist), `malformed` with SIGNER-GATE when the gate refuses the bytes.
 */
export interface Signer {
  status(): Promise<SignerStatus>;
  /**
   * Signs whole to-be-signed bytes. When it resolves, the ledger line is on disk.
   * @param head the newest record that airlockd knows durable, noted in that line.
   */
  sign(key: KeyLabel, tbs: Buffer, head: LogHead): Promise<SignedBytes>;
  /** Notes the head; resolves with the line's number when durable. */
  noteHead(head: LogHead): Promise<number>;
  /** Ledger lines (without LF) numbered above `after`, in order. */
  readLedger(after: number): AsyncIterable<string>;
  /** Makes the signer read its certificates again. */
  reload(): Promise<SignerStatus>;
  /** Hands over one encrypted share; resolves with how many are held now. */
  presentShare(purpose: SharePurpose, envelope: Buffer): Promise<number>;
  /** Logs in with what the held shares open, or with the PIN file. */
  unseal(): Promise<SignerStatus>;
  /** Makes the signer forget the PIN and log out; done when it resolves. */
  seal(): Promise<SignerStatus>;
  /** Closes the connection; calls in flight reject with `away`. */
  close(): void;
}
