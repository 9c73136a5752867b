import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  hkdfSync,
  type KeyObject,
} from "node:crypto";

/**
 * One custodian's share on its way to the signer: X25519 with a fresh key, HKDF-SHA256, AES-256-GCM. Whoever relays it
 * reads nothing, and can neither use it a second time nor for another purpose: both stand inside.
 */

export const SHARE_PURPOSES = ["unseal", "rehearse"] as const;
export type SharePurpose = (typeof SHARE_PURPOSES)[number];

export interface SealedShare {
  readonly purpose: SharePurpose;
  /** The signer's own random bytes for this attempt: what was recorded in an earlier one is of no use. */
  readonly round: Buffer;
  /** Splits are numbered from 1. */
  readonly splitNumber: number;
  readonly splitId: Buffer;
  /** From 1. */
  readonly index: number;
  /** The share itself; the caller wipes it. */
  readonly value: Buffer;
}

export const ROUND_BYTES = 16;
export const SPLIT_ID_BYTES = 4;
/** A 32-byte key's share and its coordinate. */
export const SHARE_VALUE_BYTES = 33;

const EPHEMERAL_BYTES = 32;
const TAG_BYTES = 16;
const PLAIN_BYTES = 1 + ROUND_BYTES + 4 + SPLIT_ID_BYTES + 1 + SHARE_VALUE_BYTES;
export const ENVELOPE_BYTES = EPHEMERAL_BYTES + PLAIN_BYTES + TAG_BYTES;

/** SubjectPublicKeyInfo of X25519 before its 32 bytes (RFC 8410 section 4). */
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

/** @param shareKeyDer the signer's public share key, SPKI DER. @throws Error when it is none */
export function sealShare(shareKeyDer: Buffer, share: SealedShare): Buffer {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const ephemeral = rawKey(publicKey);
  const plain = encodePlain(share);
  const signerKey = createPublicKey({ key: shareKeyDer, format: "der", type: "spki" });
  const cipher = createCipheriv("aes-256-gcm", deriveKey(privateKey, signerKey, ephemeral, rawKey(signerKey)), NONCE);
  const sealed = Buffer.concat([ephemeral, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  plain.fill(0);
  return sealed;
}

/** @throws Error when the bytes are no envelope to this key */
export function openShare(privateKey: KeyObject, shareKeyDer: Buffer, envelope: Buffer): SealedShare {
  if (envelope.length !== ENVELOPE_BYTES) throw new Error("not an envelope");
  const ephemeral = envelope.subarray(0, EPHEMERAL_BYTES);
  const sender = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, ephemeral]), format: "der", type: "spki" });
  const own = shareKeyDer.subarray(SPKI_PREFIX.length);
  const decipher = createDecipheriv("aes-256-gcm", deriveKey(privateKey, sender, ephemeral, own), NONCE);
  decipher.setAuthTag(envelope.subarray(-TAG_BYTES));
  const plain = decipher.update(envelope.subarray(EPHEMERAL_BYTES, -TAG_BYTES));
  try {
    decipher.final();
    return decodePlain(plain);
  } finally {
    plain.fill(0);
  }
}

/** What stands in the ceremony's transcript and in every share file. */
export function shareKeyFingerprint(shareKeyDer: Buffer): string {
  return hash("sha256", shareKeyDer, "hex");
}

/** Every envelope has a key of its own, so one nonce serves (RFC 5116 section 3.1 asks for no more than that). */
const NONCE = Buffer.alloc(12);

function deriveKey(privateKey: KeyObject, publicKey: KeyObject, ephemeral: Buffer, signer: Buffer): Buffer {
  const secret = diffieHellman({ privateKey, publicKey });
  const key = Buffer.from(hkdfSync("sha256", secret, Buffer.concat([ephemeral, signer]), "airlock share 1", 32));
  secret.fill(0);
  return key;
}

function rawKey(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
}

function encodePlain({ purpose, round, splitNumber, splitId, index, value }: SealedShare): Buffer {
  const head = Buffer.from([SHARE_PURPOSES.indexOf(purpose) + 1]);
  const number = Buffer.alloc(4);
  number.writeUInt32BE(splitNumber);
  const plain = Buffer.concat([head, round, number, splitId, Buffer.from([index]), value]);
  if (plain.length !== PLAIN_BYTES) throw new Error("not a share of the right size");
  return plain;
}

function decodePlain(plain: Buffer): SealedShare {
  const purpose = SHARE_PURPOSES[(plain[0] ?? 0) - 1];
  if (purpose === undefined) throw new Error("no purpose");
  const afterRound = 1 + ROUND_BYTES;
  const afterId = afterRound + 4 + SPLIT_ID_BYTES;
  return {
    purpose,
    round: Buffer.from(plain.subarray(1, afterRound)),
    splitNumber: plain.readUInt32BE(afterRound),
    splitId: Buffer.from(plain.subarray(afterRound + 4, afterId)),
    index: plain[afterId] ?? 0,
    value: Buffer.from(plain.subarray(afterId + 1)),
  };
}
