import { appendFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";

/** One end of a terminal line: what a person at it reads and types. */
export class Console {
  readonly #input: Writable;
  readonly #isGone: () => boolean;
  #unread = "";
  #wake: () => void = () => undefined;

  /** @param logFile everything that the line says is appended to it */
  constructor(input: Writable, output: Readable, logFile: string, isGone: () => boolean) {
    this.#input = input;
    this.#isGone = isGone;
    output.on("data", (chunk: Buffer) => {
      appendFileSync(logFile, chunk);
      this.#unread += chunk.toString("utf8");
      this.#wake();
    });
    output.once("close", () => this.#wake());
  }

  /** Waits for what the console says; returns everything up to and with it. */
  async expect(pattern: RegExp, timeoutMs = 120_000): Promise<string> {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#unread);
      if (match !== null) {
        const end = match.index + match[0].length;
        const text = this.#unread.slice(0, end);
        this.#unread = this.#unread.slice(end);
        return text;
      }
      if (this.#isGone() || Date.now() > until) {
        throw new Error(`the console never said ${pattern}; it ended with:\n${this.#unread.slice(-2_000)}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  type(line: string): void {
    this.#input.write(`${line}\n`);
  }

  async answer(question: RegExp, reply: string, timeoutMs?: number): Promise<string> {
    const text = await this.expect(question, timeoutMs);
    this.type(reply);
    return text;
  }

  /** Runs a command in a shell that is logged in; returns its output. */
  async run(command: string, timeoutMs?: number): Promise<string> {
    // Said in two halves, so that the echo of the command is not taken for its end.
    this.type(`stty -echo; echo BEG''IN-OUT; ${command}; echo END''-OUT $?`);
    await this.expect(/BEGIN-OUT\r?\n/, timeoutMs);
    const text = await this.expect(/END-OUT \d+\r?\n/, timeoutMs);
    return text.replace(/END-OUT \d+\r?\n$/, "").replaceAll("\r", "");
  }
}
