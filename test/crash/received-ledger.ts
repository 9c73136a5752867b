import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";

/** A certificate that a board has in its hands. */
export interface ReceivedCertificate {
  readonly uuid: string;
  readonly sequence: number;
  readonly certificatePem: string;
}

/** What the client's own disk knows of received certificates, whatever becomes of the appliance. */
export class ReceivedLedger {
  readonly #file: number;
  readonly #onSynced: (count: number) => void;
  #waiting: string[] = [];
  #count = 0;

  constructor(path: string, onSynced: (count: number) => void) {
    this.#file = openSync(path, "a", 0o600);
    this.#onSynced = onSynced;
  }

  /** Certificates on disk. */
  get count(): number {
    return this.#count;
  }

  /** Whatever arrives in one turn of the event loop shares a write and a sync. */
  add(received: ReceivedCertificate): void {
    if (this.#waiting.push(`${JSON.stringify(received)}\n`) === 1) setImmediate(() => this.flush());
  }

  flush(): void {
    if (this.#waiting.length === 0) return;
    const lines = this.#waiting;
    this.#waiting = [];
    writeSync(this.#file, lines.join(""));
    fdatasyncSync(this.#file);
    this.#count += lines.length;
    this.#onSynced(this.#count);
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

export function readReceived(path: string): ReceivedCertificate[] {
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as ReceivedCertificate);
}
