import { join } from "node:path";
import type { Disk } from "./disk.ts";

/** A file that is there while a process has the log open: found at a start, it says that the last stop was unclean. */
export class RunMarker {
  readonly #disk: Disk;
  readonly #directory: string;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  async wasClean(): Promise<boolean> {
    return (await this.#disk.size(this.#path)) === undefined;
  }

  /** When it resolves, the marker is durable. */
  async set(): Promise<void> {
    await this.#disk.writeWhole(this.#path, [Buffer.from("airlockd has this log open\n")]);
    await this.#disk.syncDirectory(this.#directory);
  }

  async clear(): Promise<void> {
    await this.#disk.remove(this.#path);
    await this.#disk.syncDirectory(this.#directory);
  }

  get #path(): string {
    return join(this.#directory, "running");
  }
}
