const [END_OF_TEXT, END_OF_INPUT, BACKSPACE, LINE_FEED, CARRIAGE_RETURN, DELETE] = [0x03, 0x04, 0x08, 0x0a, 0x0d, 0x7f];
const MAX_BYTES = 255;

/** Lines of stdin as bytes: a secret never becomes a string, which nobody could wipe. */
class SecretLines {
  #line: number[] = [];
  #lines: Buffer[] = [];
  #isEnded = false;
  #changed = Promise.withResolvers<void>();

  constructor() {
    process.stdin.on("data", (chunk: Buffer) => {
      for (const byte of chunk) this.#take(byte);
      chunk.fill(0);
      this.#notify();
    });
    process.stdin.once("end", () => this.#end());
    process.stdin.once("error", () => this.#end());
  }

  async next(): Promise<Buffer | undefined> {
    while (this.#lines.length === 0 && !this.#isEnded) await this.#changed.promise;
    return this.#lines.shift();
  }

  #take(byte: number): void {
    if (byte === LINE_FEED || byte === CARRIAGE_RETURN) this.#finish();
    else if (byte === BACKSPACE || byte === DELETE) this.#line.pop();
    // In raw mode the terminal leaves these two to us.
    else if (byte === END_OF_TEXT && process.stdin.isTTY) process.kill(process.pid, "SIGINT");
    else if (byte === END_OF_INPUT && process.stdin.isTTY) this.#end();
    else if (this.#line.length < MAX_BYTES) this.#line.push(byte);
  }

  #finish(): void {
    if (this.#line.length > 0) this.#lines.push(Buffer.from(this.#line));
    this.#line.fill(0);
    this.#line = [];
  }

  #end(): void {
    this.#finish();
    this.#isEnded = true;
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

let lines: SecretLines | undefined;

/**
 * Asks for a PIN on stderr and reads one line of stdin, without echo where stdin is a terminal. The caller wipes it.
 * @returns undefined when nobody is there
 */
export async function askSecret(question: string): Promise<Buffer | undefined> {
  // Log lines of this moment come out first, or they would bury the question.
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.stderr.write(`${question}\nPIN: `);
  const isTerminal = process.stdin.isTTY;
  if (isTerminal) process.stdin.setRawMode(true);
  lines ??= new SecretLines();
  try {
    return await lines.next();
  } finally {
    if (isTerminal) process.stdin.setRawMode(false);
    process.stderr.write("\n");
  }
}
