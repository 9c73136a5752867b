import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeState } from "./write-state.ts";

/** Beside the ledger: the key that custodians encrypt their shares to. Its fingerprint stands in the transcript. */
export const SHARE_KEY_FILE = "share-key.pem";

export interface ShareKey {
  readonly privateKey: KeyObject;
  /** SPKI DER. */
  readonly publicDer: Buffer;
}

/**
 * Reads the signer's share key; in the ceremony alone a missing one is made, durable when it resolves.
 * @returns undefined where no ceremony made one
 */
export async function openShareKey(directory: string, isCreating: boolean): Promise<ShareKey | undefined> {
  const path = join(directory, SHARE_KEY_FILE);
  const found = await readKey(path);
  if (found !== undefined || !isCreating) return found;
  const { privateKey } = generateKeyPairSync("x25519");
  await writeState(path, privateKey.export({ format: "pem", type: "pkcs8" }).toString());
  return withPublic(privateKey);
}

async function readKey(path: string): Promise<ShareKey | undefined> {
  const pem = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (pem === undefined) return undefined;
  const key = createPrivateKey(pem);
  pem.fill(0);
  return withPublic(key);
}

function withPublic(privateKey: KeyObject): ShareKey {
  return { privateKey, publicDer: createPublicKey(privateKey).export({ format: "der", type: "spki" }) };
}
