import { connect, type Socket } from "node:net";
import { CONTROLS, type ControlId } from "../controls.ts";
import { REFUSAL_CODES, Refusal } from "../refusal.ts";
import { BatchWriter } from "./batch-writer.ts";
import { encodeFrame, FrameReader } from "./frames.ts";
import {
  type KeyLabel,
  type LogHead,
  MAX_FRAME_BYTES,
  type SignerAnswer,
  type SignerFailure,
  type SignerKey,
  type SignerRequest,
  type SignerStatus,
  type SplitShares,
} from "./messages.ts";
import type { SignedBytes, Signer } from "./signer.ts";

/** What the ceremony asks of the signer besides; refused outside ceremony mode. */
export interface CeremonySigner extends Signer {
  /** Makes the three keys in the token, once. */
  generateKeys(): Promise<readonly SignerKey[]>;
  /** Makes the key of the next device CA. */
  generateNextKey(): Promise<SignerStatus>;
  /** Signs the (next) device CA's CSR or the line CA's own certificate, once per key. */
  signCeremony(key: "device-ca" | "line-ca", tbs: Buffer): Promise<SignedBytes>;
  /** Shares of a new split of the PIN, in force once it is confirmed. */
  splitPin(needed: number, total: number): Promise<SplitShares>;
  /** The shares are written down: from now on only they count. */
  confirmSplit(id: string): Promise<SignerStatus>;
  /** Notes that a new log begins where the ledger ends with line `after`; durable when it resolves. */
  beginEpoch(head: LogHead, after: { readonly number: number; readonly hash: string }): Promise<number>;
}

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
type Question = WithoutId<SignerRequest>;
type PlainOperation = "status" | "reload" | "generate-keys" | "generate-next-key" | "unseal" | "seal";
type Success = Exclude<SignerAnswer, SignerFailure>;

interface Pending {
  readonly resolve: (answer: Success) => void;
  readonly reject: (refusal: Refusal) => void;
}

/** Requests that may wait for the signer; beyond it the caller is told to come back. */
const MAX_PENDING = 4_096;

/** Client of the signer's UNIX socket; connects at the first call and again whenever a call finds it closed. */
export function connectSigner(socketPath: string): CeremonySigner {
  const line = new SignerLine(socketPath);
  const sign = async (question: Question): Promise<SignedBytes> => {
    const answer = await line.ask(question);
    if (!("signature" in answer)) throw unreachable();
    return { signature: Buffer.from(answer.signature, "base64"), ledger: answer.ledger };
  };
  const status = async (op: PlainOperation | Question): Promise<SignerStatus> => {
    const answer = await line.ask(typeof op === "string" ? { op } : op);
    if (!("status" in answer)) throw unreachable();
    return answer.status;
  };
  const note = async (question: Extract<Question, { op: "note-head" | "begin-epoch" }>): Promise<number> => {
    const answer = await line.ask(question);
    if (!("ledger" in answer)) throw unreachable();
    return answer.ledger;
  };
  return {
    status: () => status("status"),
    reload: () => status("reload"),
    sign: (key: KeyLabel, tbs: Buffer, head: LogHead) => sign({ op: "sign", key, tbs: tbs.toString("base64"), head }),
    signCeremony: (key, tbs) => sign({ op: "sign-ceremony", key, tbs: tbs.toString("base64") }),
    generateKeys: async () => (await status("generate-keys")).keys,
    generateNextKey: () => status("generate-next-key"),
    noteHead: (head) => note({ op: "note-head", head }),
    presentShare: async (purpose, envelope) => {
      const answer = await line.ask({ op: "present-share", purpose, share: envelope.toString("base64") });
      if (!("held" in answer)) throw unreachable();
      return answer.held;
    },
    unseal: () => status("unseal"),
    seal: () => status("seal"),
    splitPin: async (needed, total) => {
      const answer = await line.ask({ op: "split-pin", needed, total });
      if (!("split" in answer)) throw unreachable();
      return answer.split;
    },
    confirmSplit: (id) => status({ op: "confirm-split", split: id }),
    beginEpoch: (head, { number, hash }) => note({ op: "begin-epoch", head, after: { number, hash } }),
    readLedger: (after) => readLedger(line, after),
    close: () => line.close(),
  };
}

async function* readLedger(line: SignerLine, after: number): AsyncGenerator<string> {
  for (let last = after; ; ) {
    const answer = await line.ask({ op: "read-ledger", after: last });
    if (!("lines" in answer)) throw unreachable();
    if (answer.lines.length === 0) return;
    yield* answer.lines;
    last += answer.lines.length;
  }
}

/** One connection at a time; answers find their question by id. */
class SignerLine {
  readonly #path: string;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | undefined;
  #writer: BatchWriter | undefined;
  #nextId = 1;

  constructor(path: string) {
    this.#path = path;
  }

  ask(question: Question): Promise<Success> {
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(
        new Refusal("SERVICE-STATE", "exhausted", "Too much waits for the signer. Try again soon."),
      );
    }
    const id = this.#nextId++;
    const text = JSON.stringify({ id, ...question });
    if (Buffer.byteLength(text) > MAX_FRAME_BYTES) {
      return Promise.reject(new Refusal("SIGNER-GATE", "malformed", "The request is larger than the signer takes."));
    }
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#connected().write(encodeFrame(text));
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#fail(undefined);
  }

  /** Node keeps what is written until the connection stands; when it cannot, every question of it fails. */
  #connected(): BatchWriter {
    if (this.#writer !== undefined) return this.#writer;
    const socket = connect(this.#path);
    const reader = new FrameReader();
    socket.on("data", (chunk) => {
      try {
        for (const text of reader.push(chunk)) this.#settle(JSON.parse(text) as SignerAnswer);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
    });
    let cause: Error | undefined;
    socket.on("error", (error) => {
      cause = error;
    });
    socket.once("close", () => {
      if (this.#socket !== socket) return;
      this.#fail(cause);
    });
    this.#socket = socket;
    this.#writer = new BatchWriter(socket);
    return this.#writer;
  }

  #settle(answer: SignerAnswer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.ok) pending?.resolve(answer);
    else pending?.reject(refusalOf(answer));
  }

  /** Nothing is known of what was asked: a signature may have been made, and then its ledger line exists. */
  #fail(cause: Error | undefined): void {
    this.#socket = undefined;
    this.#writer = undefined;
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of lost) reject(unreachable(cause));
  }
}

function unreachable(cause?: Error): Refusal {
  const sentence = "The signer cannot be reached. Nothing was issued; try again shortly.";
  return new Refusal("SERVICE-STATE", "away", sentence, { cause });
}

function refusalOf({ control, code, message }: SignerFailure): Refusal {
  const knownControl: ControlId = CONTROLS.find((id) => id === control) ?? "SERVICE-STATE";
  return new Refusal(knownControl, REFUSAL_CODES.find((known) => known === code) ?? "away", message);
}
