import type { Socket } from "node:net";

/** Frames that go out together. More would wait for the last of a crowd, and the other side would stand idle. */
const FRAMES = 8;

/** Gathers the frames of one turn of the event loop into few writes: a system call costs more than a small frame. */
export class BatchWriter {
  readonly #socket: Pick<Socket, "write">;
  #waiting: Buffer[] = [];

  constructor(socket: Pick<Socket, "write">) {
    this.#socket = socket;
  }

  write(frame: Buffer): void {
    this.#waiting.push(frame);
    if (this.#waiting.length === 1) setImmediate(() => this.flush());
    if (this.#waiting.length >= FRAMES) this.flush();
  }

  /** Hands everything to the socket now. */
  flush(): void {
    const [first, ...more] = this.#waiting;
    if (first === undefined) return;
    const bytes = more.length === 0 ? first : Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#socket.write(bytes);
  }
}
