/**
 * What the signer's parent and a token child say to each other over an inherited socket pair. A frame is the body's
 * length (4 bytes), a kind (1), an id that the answer repeats (4), and the body. A child answers in order.
 */
export const REQUEST = {
  /** JSON OpenRequest → JSON OpenAnswer. */
  open: 1,
  /** The PIN's bytes → JSON TokenFacts. */
  login: 2,
  /** Closes the session and reads the keys again: nothing → JSON TokenFacts. */
  renew: 3,
  /** Key index (1 byte) and what the mechanism signs → the token's own signature. */
  sign: 4,
  /** Makes the three keys: nothing → JSON TokenFacts. */
  generate: 5,
  /** Makes one more key: its index (1 byte) → JSON TokenFacts. */
  generateOne: 6,
} as const;

export const ANSWER = {
  done: 0,
  /** CKR (4 bytes, 0 for none) and the failure's name, ASCII. */
  failed: 1,
} as const;

/** The child's end of the socket pair. */
export const CHANNEL_FD = 3;

export interface OpenRequest {
  readonly module: string;
  /** For C_Initialize, where the module needs any. */
  readonly parameters?: string;
  readonly tokenSerial: string;
}

/** Token flags that decide whether a PIN may be presented. */
export interface OpenAnswer {
  readonly isPinCountLow: boolean;
  readonly isPinFinalTry: boolean;
  readonly isPinLocked: boolean;
}

/** A private key's attributes as the token tells them; absent where it does not. */
export interface KeyFacts {
  readonly label: string;
  /** How many private keys bear the label. */
  readonly count: number;
  readonly sensitive?: boolean;
  readonly alwaysSensitive?: boolean;
  readonly extractable?: boolean;
  readonly neverExtractable?: boolean;
  readonly local?: boolean;
  readonly private?: boolean;
  readonly sign?: boolean;
  /** SubjectPublicKeyInfo of the public key or the certificate beside it, base64. */
  readonly spki?: string;
}

export type TokenFacts = readonly KeyFacts[];

const HEADER_BYTES = 9;
const MAX_BODY_BYTES = 64 * 1024;

export interface ChildFrame {
  readonly kind: number;
  readonly id: number;
  /** A view: copy what must outlive the next read. */
  readonly body: Buffer;
}

export function encodeChildFrame(kind: number, id: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32BE(length, 0);
  frame.writeUInt8(kind, 4);
  frame.writeUInt32BE(id, 5);
  let offset = HEADER_BYTES;
  for (const part of parts) {
    frame.set(part, offset);
    offset += part.length;
  }
  return frame;
}

/** Cuts a byte stream into frames. */
export class ChildFrameReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): ChildFrame[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: ChildFrame[] = [];
    let offset = 0;
    while (offset + HEADER_BYTES <= bytes.length) {
      const length = bytes.readUInt32BE(offset);
      if (length > MAX_BODY_BYTES) throw new Error("token child frame too large");
      const start = offset + HEADER_BYTES;
      if (start + length > bytes.length) break;
      frames.push({
        kind: bytes.readUInt8(offset + 4),
        id: bytes.readUInt32BE(offset + 5),
        body: bytes.subarray(start, start + length),
      });
      offset = start + length;
    }
    this.#rest = Buffer.from(bytes.subarray(offset));
    return frames;
  }
}
