import { join } from "node:path";
import type { Disk } from "./disk.ts";

/** So many starts that follow on unclean stops, within this time, make a loop. */
const LOOP_STARTS = 3;
const LOOP_MS = 10 * 60_000;

export interface Beginning {
  /** Whether the last process closed the log. */
  readonly wasClean: boolean;
  /**
   * Whether processes have been dying soon after their start, again and again. LevelDB ends the process when it meets
   * some damages of its tables, and would do so at every start.
   */
  readonly isLooping: boolean;
}

/**
 * A file that is there while a process has the log open: found at a start, it says that the last stop was unclean. It
 * also counts such starts.
 */
export class RunMarker {
  readonly #disk: Disk;
  readonly #directory: string;
  #found: Buffer | undefined;
  #hasBegun = false;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** When it resolves, the marker is durable: dying from here on is an unclean stop. */
  async begin(nowMs: number): Promise<Beginning> {
    this.#found = await this.#read();
    this.#hasBegun = true;
    const [, starts, sinceMs] = /^airlockd (\d+) (\d+)\n$/.exec(this.#found?.toString("latin1") ?? "") ?? [];
    const isRecent = sinceMs !== undefined && nowMs >= Number(sinceMs) && nowMs - Number(sinceMs) < LOOP_MS;
    const count = isRecent ? Number(starts) + 1 : 1;
    const isLooping = count > LOOP_STARTS;
    // What is done about a loop happens once; then the counting starts anew.
    await this.#write(Buffer.from(isRecent && !isLooping ? `airlockd ${count} ${sinceMs}\n` : `airlockd 1 ${nowMs}\n`));
    return { wasClean: this.#found === undefined, isLooping };
  }

  /** Puts back what `begin` found: a start that was refused has not run. */
  async restore(): Promise<void> {
    if (!this.#hasBegun) return;
    if (this.#found === undefined) await this.clear();
    else await this.#write(this.#found);
  }

  async clear(): Promise<void> {
    await this.#disk.remove(this.#path);
    await this.#disk.syncDirectory(this.#directory);
  }

  async #read(): Promise<Buffer | undefined> {
    const size = await this.#disk.size(this.#path);
    if (size === undefined) return undefined;
    const file = await this.#disk.openRead(this.#path);
    return file.readAt(0, size).finally(() => file.close());
  }

  async #write(bytes: Buffer): Promise<void> {
    await this.#disk.writeWhole(this.#path, [bytes]);
    await this.#disk.syncDirectory(this.#directory);
  }

  get #path(): string {
    return join(this.#directory, "running");
  }
}
