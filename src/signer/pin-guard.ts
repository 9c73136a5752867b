import { readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Refusal } from "../refusal.ts";
import type { OpenAnswer } from "./child-frames.ts";
import type { PinSource } from "./pin-source.ts";
import { writeState } from "./write-state.ts";

/** Beside the ledger. A person who has corrected a PIN that comes as a systemd credential removes it. */
export const MARKER_FILE = "pin-refused";

const MarkerSchema = z.strictObject({ pin: z.string(), result: z.enum(["presented", "refused"]) });
type Marker = z.infer<typeof MarkerSchema>;

/** What became of a presented PIN: `unknown` when the token did not say, for it died or was away. */
export type PinResult = "accepted" | "refused" | "unknown";

/**
 * A PIN that was refused once is never presented again by itself, not even by a new process: three restarts would lock
 * the token. The marker is durable before the PIN is presented, and holds nothing of the PIN, not even a hash.
 */
export class PinGuard {
  readonly #source: PinSource;
  readonly #path: string;

  /** @param directory of the ledger */
  constructor(source: PinSource, directory: string) {
    this.#source = source;
    this.#path = join(directory, MARKER_FILE);
  }

  /**
   * Presents the PIN, unless that might be a try too many.
   * @param login tells the token; its bytes are wiped afterwards
   * @throws Refusal `needs-person` when the PIN may not be presented or was refused; what `login` threw otherwise
   */
  async present<T>(token: OpenAnswer, login: (pin: Buffer) => Promise<T>, judge: (error: unknown) => PinResult) {
    checkTries(token);
    const pin = await this.#source.identity();
    await this.#checkMarker(pin, token);
    const bytes = await this.#source.read();
    // Crash point: from here to the removal a start finds the PIN presented, its fate unknown.
    await this.#mark({ pin, result: "presented" });
    try {
      const result = await login(bytes);
      await unlink(this.#path);
      return result;
    } catch (error) {
      if (judge(error) !== "refused") throw error;
      await this.#mark({ pin, result: "refused" });
      throw refusedPin(error);
    } finally {
      bytes.fill(0);
    }
  }

  async #checkMarker(pin: string, { isPinCountLow }: OpenAnswer): Promise<void> {
    const marker = await this.#readMarker();
    if (marker === undefined || (marker !== "damaged" && marker.pin !== pin)) return;
    // The token counts wrong tries since the last right one: it tells what a crash kept us from hearing.
    if (marker === "damaged" || marker.result === "refused" || isPinCountLow) throw refusedPin();
  }

  async #readMarker(): Promise<Marker | "damaged" | undefined> {
    try {
      return MarkerSchema.parse(JSON.parse(await readFile(this.#path, "utf8")));
    } catch (error) {
      return error instanceof Error && "code" in error && error.code === "ENOENT" ? undefined : "damaged";
    }
  }

  /** Durable when it resolves; at every instant the marker is the old one or the new one, whole. */
  async #mark(marker: Marker): Promise<void> {
    await writeState(this.#path, `${JSON.stringify(marker)}\n`);
  }
}

function checkTries({ isPinFinalTry, isPinLocked }: OpenAnswer): void {
  if (isPinLocked) throw sealed("The token has locked its PIN: a custodian must reset it with the vendor's tool.");
  if (isPinFinalTry) throw sealed("The token allows one last try of its PIN: a custodian must log in by hand first.");
}

function refusedPin(cause?: unknown): Refusal {
  const sentence =
    "The token refused the PIN; it is not presented again by itself. Correct it, then remove pin-refused beside the ledger.";
  return sealed(sentence, cause);
}

function sealed(sentence: string, cause?: unknown): Refusal {
  return new Refusal("KEY-CAPTIVE", "needs-person", sentence, { cause });
}
