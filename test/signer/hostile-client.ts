import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { encodeFrame, FrameReader } from "../../src/hsm/frames.ts";
import type { SignerAnswer } from "../../src/hsm/messages.ts";

/** A peer of the signer's socket that sends whatever it likes. */
export class HostileClient {
  readonly #socket: Socket;
  readonly #answers: SignerAnswer[] = [];
  #changed = Promise.withResolvers<void>();
  isClosed = false;

  constructor(path: string) {
    this.#socket = connect(path);
    const reader = new FrameReader();
    this.#socket.on("data", (chunk) => {
      for (const text of reader.push(chunk)) this.#answers.push(JSON.parse(text));
      this.#change();
    });
    this.#socket.on("error", () => undefined);
    this.#socket.once("close", () => {
      this.isClosed = true;
      this.#change();
    });
  }

  send(message: unknown): void {
    this.sendText(JSON.stringify(message));
  }

  sendText(text: string): void {
    this.#socket.write(encodeFrame(text));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next answer, or undefined when the signer has hung up instead. */
  async next(): Promise<SignerAnswer | undefined> {
    while (this.#answers.length === 0 && !this.isClosed) await this.#changed.promise;
    return this.#answers.shift();
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await this.#changed.promise;
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.#socket.destroy();
    await once(this.#socket, "close");
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
