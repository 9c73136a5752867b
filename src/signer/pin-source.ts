import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { Refusal } from "../refusal.ts";

/** Where the PIN comes from; a console prompt or custodians' shares can stand here as well as a file. */
export interface PinSource {
  /**
   * Names the PIN without saying anything about it, and changes when a person gives another. A constant name means
   * that only a person can tell: see PinGuard.
   */
  identity(): Promise<string>;
  /**
   * The PIN's bytes; the caller wipes them.
   * @throws Refusal `needs-person` while there is none, or none that was kept secret
   */
  read(): Promise<Buffer>;
}

const MAX_PIN_BYTES = 255;

/**
 * A file that holds the PIN and nothing else.
 * @param credentialsDirectory systemd's, when it hands the PIN over: its files are made anew at every start, so their
 * times say nothing, and their group bits show an access list for this service alone
 */
export function pinFile(path: string, credentialsDirectory?: string): PinSource {
  const isCredential = credentialsDirectory !== undefined && dirname(path) === credentialsDirectory;
  return {
    identity: () => (isCredential ? Promise.resolve("credential") : withFile(path, describeFile)),
    read: () => withFile(path, (file) => readPin(file, isCredential ? 0o037 : 0o077)),
  };
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (cause) {
    throw unusable("The PIN file cannot be opened: check signer.pin_file and its owner.", cause);
  }
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function describeFile(file: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeNs } = await file.stat({ bigint: true });
  return `${dev} ${ino} ${size} ${mtimeNs}`;
}

async function readPin(file: FileHandle, forbiddenMode: number): Promise<Buffer> {
  // Of the open file, so that nobody can swap it between the check and the read.
  const { mode, size } = await file.stat();
  if ((mode & forbiddenMode) !== 0) throw unusable("The PIN file can be read by others: chmod it to 0600 or 0400.");
  if (size > MAX_PIN_BYTES + 2) throw unusable("The PIN file is too long: it holds the PIN and nothing else.");
  const text = await file.readFile();
  const end = text.at(-1) === 0x0a ? (text.at(-2) === 0x0d ? -2 : -1) : text.length;
  const pin = Buffer.from(text.subarray(0, end));
  text.fill(0);
  if (pin.length === 0 || pin.some((byte) => byte < 0x20)) {
    pin.fill(0);
    throw unusable("The PIN file is empty or holds more than one line: it holds the PIN and nothing else.");
  }
  return pin;
}

function unusable(sentence: string, cause?: unknown): Refusal {
  return new Refusal("SECRET-SILENT", "needs-person", sentence, { cause });
}
