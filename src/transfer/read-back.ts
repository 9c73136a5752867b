import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** SHA-256 of a file, and whether its bytes came from the device or possibly from the page cache. */
export interface ReadBack {
  readonly sha256: string;
  readonly isFromDevice: boolean;
}

const BLOCK_BYTES = 64 * 1024;

// Part of the runtime, absent from the type library that a program without a DOM uses.
declare const WebAssembly: { readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer } };

/**
 * Hashes a file as the device holds it. O_DIRECT goes past the page cache, which would show what was written even
 * when the stick never took it. A file system without O_DIRECT gives an ordinary read and says so: Node has no
 * posix_fadvise to drop the cache with.
 */
export async function readBack(path: string): Promise<ReadBack> {
  const direct = await openDirect(path);
  if (direct !== undefined) {
    const sha256 = await hashDirect(direct).finally(() => direct.close());
    if (sha256 !== undefined) return { sha256, isFromDevice: true };
  }
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const sha256 = await hashFile(file, Buffer.alloc(BLOCK_BYTES)).finally(() => file.close());
  return { sha256, isFromDevice: false };
}

async function openDirect(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECT);
  } catch (error) {
    // EINVAL: the file system has no O_DIRECT. Any other error meets the ordinary read, which reports it.
    if (isInvalid(error)) return undefined;
    throw error;
  }
}

async function hashDirect(file: FileHandle): Promise<string | undefined> {
  try {
    return await hashFile(file, alignedBuffer());
  } catch (error) {
    if (isInvalid(error)) return undefined;
    throw error;
  }
}

/** O_DIRECT wants memory aligned to the device's blocks; WebAssembly memory starts on a page, a Buffer does not. */
function alignedBuffer(): Buffer {
  return Buffer.from(new WebAssembly.Memory({ initial: 1 }).buffer, 0, BLOCK_BYTES);
}

async function hashFile(file: FileHandle, buffer: Buffer): Promise<string> {
  const hash = createHash("sha256");
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

function isInvalid(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EINVAL";
}
