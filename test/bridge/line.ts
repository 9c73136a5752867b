import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** A board with everything made beforehand. */
export interface LineBoard {
  readonly uuid: string;
  readonly body: string;
  /** SPKI, PEM. */
  readonly publicKey: string;
  /** Registers a second time once it is registered. */
  readonly repeats: boolean;
  /** Hangs up before it has read its first answer. */
  readonly losesAnswer: boolean;
}

/** How long a board waits before it comes again; a real one waits for a person. */
const PAUSE_MS = 100;

/** Boards that register at one bridge, so many at once, each again and again until it has its certificate. */
export class Line {
  /** What each board was given, oldest first. */
  readonly certificates = new Map<string, string[]>();
  lostAnswers = 0;
  readonly #url: string;
  readonly #boards: readonly LineBoard[];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  #answered = 0;

  constructor(url: string, boards: readonly LineBoard[]) {
    this.#url = url;
    this.#boards = boards;
  }

  /** Resolves when every board has what it wants; rejects at an answer that says neither yes nor wait. */
  async run(atOnce: number): Promise<void> {
    const queue = this.#boards[Symbol.iterator]();
    const work = async () => {
      for (const board of queue) await this.#board(board);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    this.#agent.destroy();
  }

  /** Resolves once so many certificates were handed out. */
  untilAnswered(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#answered >= count) resolve();
      else this.#waiting.push({ count, resolve });
    });
  }

  async #board(board: LineBoard): Promise<void> {
    if (board.losesAnswer) await this.#hangUp(board.body);
    await this.#register(board);
    if (board.repeats) await this.#register(board);
  }

  async #register({ uuid, body }: LineBoard): Promise<void> {
    for (;;) {
      const answer = await this.#post(body).catch(() => undefined);
      if (answer?.status === 201) {
        const { "client.pem": pem } = JSON.parse(answer.text) as Record<string, string>;
        this.certificates.set(uuid, [...(this.certificates.get(uuid) ?? []), pem ?? ""]);
        this.#count();
        return;
      }
      if (answer !== undefined && answer.status !== 503) throw new Error(`${answer.status} ${answer.text}`);
      await sleep(PAUSE_MS);
    }
  }

  async #post(body: string): Promise<{ status: number; text: string }> {
    const response = await this.#send(body, this.#agent);
    let text = "";
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode ?? 0, text };
  }

  /** Whatever the answer was, nobody has read it. */
  async #hangUp(body: string): Promise<void> {
    try {
      const response = await this.#send(body, new Agent({ keepAlive: false }));
      response.destroy();
    } catch {
      // The bridge hung up first, which loses the answer just as well.
    }
    this.lostAnswers += 1;
  }

  async #send(body: string, agent: Agent): Promise<IncomingMessage> {
    const call = request(this.#url, { method: "POST", agent, headers: { "content-type": "application/json" } });
    call.end(body);
    const [response] = (await once(call, "response")) as [IncomingMessage];
    return response;
  }

  #count(): void {
    this.#answered += 1;
    for (const { count, resolve } of this.#waiting) if (this.#answered >= count) resolve();
  }
}
