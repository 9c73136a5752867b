import { open, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { readSecretFile } from "../config/secret-file.ts";
import { Refusal } from "../refusal.ts";

/** Beside the ledger: names the very PIN file that the token refused. */
const MARKER = "pin-refused";

/**
 * The PIN as a credential file. A PIN that was refused once is never presented again by itself, not even by a new
 * process: a restart loop would lock the token. A new file (another inode, time or size) is a new try.
 */
export class PinFile {
  readonly #path: string;
  readonly #marker: string;

  /** @param directory where the marker is kept; durable */
  constructor(path: string, directory: string) {
    this.#path = path;
    this.#marker = join(directory, MARKER);
  }

  /**
   * The PIN, without its line end.
   * @throws Refusal `needs-person` when this file's PIN was refused before, or others can read it
   */
  async read(): Promise<string> {
    const refused = await readFile(this.#marker, "utf8").catch(() => "");
    if (refused !== "" && refused === (await this.#identity())) {
      throw new Refusal(
        "KEY-CAPTIVE",
        "needs-person",
        "The token has refused this PIN. It is not presented again by itself: a custodian must correct the PIN file.",
      );
    }
    return (await readSecretFile(this.#path)).replace(/\r?\n$/, "");
  }

  /** Remembers that the token refused what `read` gave; durable when it resolves. */
  async markRefused(): Promise<void> {
    const file = await open(this.#marker, "w", 0o600);
    try {
      await file.writeFile(await this.#identity());
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async clearRefused(): Promise<void> {
    await unlink(this.#marker).catch(() => undefined);
  }

  async #identity(): Promise<string> {
    const { ino, size, mtimeNs } = await stat(this.#path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}\n`;
  }
}
