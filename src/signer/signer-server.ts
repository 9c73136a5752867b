import type { Server, Socket } from "node:net";
import type { BaseLogger } from "pino";
import { BatchWriter } from "../hsm/batch-writer.ts";
import { encodeFrame, FrameReader } from "../hsm/frames.ts";
import { type SignerAnswer, type SignerRequest, SignerRequestSchema } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";

/** Connections at once: airlockd's, and a custodian's tool. */
const MAX_CONNECTIONS = 8;
/** Requests of one connection under way. */
const MAX_UNDER_WAY = 4_096;
/** Answers that a connection has not read; beyond it, it never will. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;

export type AnswerRequest = (request: SignerRequest) => Promise<SignerAnswer>;

/** Serves the signer's socket; every connection is as untrusted as the next. */
export class SignerServer {
  readonly #server: Server;
  readonly #answer: AnswerRequest;
  readonly #logger: BaseLogger;
  readonly #connections = new Map<Socket, BatchWriter>();
  #underWay = 0;
  #isClosing = false;
  #drained: PromiseWithResolvers<void> | undefined;

  /** @param server not listening yet: a connection that came before would never be answered */
  constructor(server: Server, answer: AnswerRequest, logger: BaseLogger) {
    this.#server = server;
    this.#answer = answer;
    this.#logger = logger;
    server.maxConnections = MAX_CONNECTIONS;
    server.on("connection", (socket) => this.#serve(socket));
  }

  /** Takes nothing new, answers what is under way, then closes. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#isClosing = true;
    if (this.#underWay > 0) {
      this.#drained = Promise.withResolvers();
      await this.#drained.promise;
    }
    for (const [socket, writer] of this.#connections) {
      // The last answers wait for the end of this turn of the loop.
      writer.flush();
      socket.end();
    }
    // What the peer has not read yet is still on its way; a peer that never closes its side is cut.
    const cut = setTimeout(() => {
      for (const socket of this.#connections.keys()) socket.destroy();
    }, 1_000);
    await closed;
    clearTimeout(cut);
  }

  #serve(socket: Socket): void {
    const reader = new FrameReader();
    const writer = new BatchWriter(socket);
    this.#connections.set(socket, writer);
    socket.on("data", (chunk) => {
      if (this.#isClosing) return;
      if (socket.writableLength > MAX_UNREAD_BYTES) {
        socket.destroy();
        return;
      }
      try {
        for (const text of reader.push(chunk)) this.#take(text, writer);
      } catch {
        // Nothing after a bad frame can be trusted.
        this.#logger.warn({ control: "SIGNER-GATE" }, "a connection sent something that is no request; it is closed");
        writer.flush();
        socket.destroySoon();
      }
    });
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#connections.delete(socket));
  }

  /** @throws Error for a message that is no request */
  #take(text: string, writer: BatchWriter): void {
    const message: unknown = JSON.parse(text);
    const parsed = SignerRequestSchema.safeParse(message);
    if (!parsed.success) {
      const refusal = new Refusal(
        "SIGNER-GATE",
        "malformed",
        "This is no request that the signer knows. Nothing was signed.",
      );
      writer.write(encodeFrame(JSON.stringify(failure(idOf(message), refusal))));
      throw refusal;
    }
    if (this.#underWay >= MAX_UNDER_WAY) {
      const refusal = new Refusal(
        "SERVICE-STATE",
        "exhausted",
        "Too much waits for the signer. Try again in a moment.",
      );
      writer.write(encodeFrame(JSON.stringify(failure(parsed.data.id, refusal))));
      return;
    }
    void this.#run(parsed.data, writer);
  }

  async #run(request: SignerRequest, writer: BatchWriter): Promise<void> {
    this.#underWay += 1;
    const answer = await this.#answer(request).catch((error: unknown) => this.#refuse(request, error));
    writer.write(encodeFrame(JSON.stringify(answer)));
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#drained?.resolve();
  }

  #refuse(request: SignerRequest, error: unknown): SignerAnswer {
    if (error instanceof Refusal) {
      this.#logger.info({ op: request.op, control: error.control, code: error.code }, error.message);
      return failure(request.id, error);
    }
    this.#logger.error({ op: request.op, err: error }, "unexpected failure");
    return failure(
      request.id,
      new Refusal("SERVICE-STATE", "away", "The signer failed. Nothing was issued; see its log."),
    );
  }
}

function failure(id: number, { control, code, message }: Refusal): SignerAnswer {
  return { id, ok: false, control, code, message };
}

function idOf(message: unknown): number {
  const isObject = typeof message === "object" && message !== null && "id" in message;
  return isObject && typeof message.id === "number" ? message.id : 0;
}
