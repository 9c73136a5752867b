import { createCipheriv, createDecipheriv, hash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { combine, split } from "shamir-secret-sharing";
import { z } from "zod";
import { SHARE_VALUE_BYTES, SPLIT_ID_BYTES } from "../hsm/share-envelope.ts";
import { Refusal } from "../refusal.ts";
import { writeState } from "./write-state.ts";

/** Beside the ledger: the PIN under a key that exists only as the custodians' shares. */
export const SPLIT_FILE = "pin-split.json";

const base64 = z.base64().max(1_024);
const PinSplitSchema = z.strictObject({
  v: z.literal(1),
  /** Splits are numbered from 1; a new one retires the shares of all before it. */
  number: z.int().positive(),
  id: z.string().regex(/^[0-9a-f]{8}$/),
  needed: z.int().min(2).max(16),
  /** SHA-256 of each share: a wrong one is known before it is used, and nothing wrong ever reaches the token. */
  shares: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .min(2)
    .max(16),
  nonce: base64,
  tag: base64,
  pin: base64,
});
export type PinSplit = z.infer<typeof PinSplitSchema>;

/** @throws Refusal KEY-CAPTIVE when the file is there and is none */
export async function readPinSplit(directory: string): Promise<PinSplit | undefined> {
  const text = await readFile(join(directory, SPLIT_FILE), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return PinSplitSchema.parse(JSON.parse(text));
  } catch (cause) {
    const sentence = "The file pin-split.json beside the ledger is damaged. Restore it, or split the PIN anew.";
    throw new Refusal("KEY-CAPTIVE", "needs-person", sentence, { cause });
  }
}

/** Durable when it resolves; from then on only the new shares count. */
export async function writePinSplit(directory: string, pinSplit: PinSplit): Promise<void> {
  await writeState(join(directory, SPLIT_FILE), `${JSON.stringify(pinSplit)}\n`);
}

/** Splits a fresh key and puts the PIN under it. The caller wipes pin and shares. */
export async function splitPin(
  pin: Buffer,
  { needed, total, number }: { needed: number; total: number; number: number },
): Promise<{ split: PinSplit; shares: Buffer[] }> {
  const key = new Uint8Array(randomBytes(32));
  // The package takes nothing but a plain Uint8Array.
  const shares = (await split(key, total, needed)).map((share) => Buffer.from(share.buffer));
  const id = randomBytes(SPLIT_ID_BYTES).toString("hex");
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(bindingOf(number, id));
  const sealed = Buffer.concat([cipher.update(pin), cipher.final()]);
  key.fill(0);
  const commitments = shares.map((share, i) => commitmentOf(id, i + 1, share));
  return {
    split: {
      v: 1,
      number,
      id,
      needed,
      shares: commitments,
      nonce: nonce.toString("base64"),
      tag: cipher.getAuthTag().toString("base64"),
      pin: sealed.toString("base64"),
    },
    shares,
  };
}

/** The PIN, by as many checked shares as are needed; the caller wipes it. @throws Error when they do not open it */
export async function openPin(pinSplit: PinSplit, shares: readonly Buffer[]): Promise<Buffer> {
  const key = await combine(shares.map((share) => new Uint8Array(share)));
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(pinSplit.nonce, "base64"));
    decipher.setAAD(bindingOf(pinSplit.number, pinSplit.id)).setAuthTag(Buffer.from(pinSplit.tag, "base64"));
    const pin = decipher.update(Buffer.from(pinSplit.pin, "base64"));
    decipher.final();
    return pin;
  } finally {
    key.fill(0);
  }
}

/** Whether this is the split's own share of that number. */
export function isShareOf({ id, shares }: PinSplit, index: number, value: Buffer): boolean {
  return value.length === SHARE_VALUE_BYTES && shares[index - 1] === commitmentOf(id, index, value);
}

/** A share has 256 random bits, so its hash tells nothing of it. */
function commitmentOf(id: string, index: number, value: Buffer): string {
  return hash("sha256", Buffer.concat([Buffer.from(`airlock share ${id} ${index} `), value]), "hex");
}

function bindingOf(number: number, id: string): Buffer {
  return Buffer.from(`airlock pin ${number} ${id}`);
}
