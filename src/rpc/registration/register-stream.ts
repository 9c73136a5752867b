import type { handleBidiStreamingCall, ServerDuplexStream } from "@grpc/grpc-js";
import type {
  RegisterRequest,
  RegisterResponse,
  RegisterStreamRequest,
  RegisterStreamResponse,
} from "../../gen/airlock/registration/v1/registration.ts";
import { Refusal } from "../../refusal.ts";
import type { Caller } from "../authorise.ts";
import { authoriseCall, type CallEdge, reportFailure } from "../call.ts";
import { serviceError } from "../status.ts";

/** Requests of one stream that may be under way at once; beyond it the stream is not read further. */
const MAX_UNDER_WAY = 128;

type Stream = ServerDuplexStream<RegisterStreamRequest, RegisterStreamResponse>;

/** RegisterStream: each answer is as durable as the unary one; a refusal ends its own request, never the stream. */
export function registerStream(
  edge: CallEdge,
  method: string,
  registerOne: (request: RegisterRequest, caller: Caller) => Promise<RegisterResponse>,
): handleBidiStreamingCall<RegisterStreamRequest, RegisterStreamResponse> {
  return (call) => {
    try {
      authoriseCall(edge, call.getPeer(), method);
    } catch (error) {
      call.emit("error", serviceError(reportFailure(edge, call.getPeer(), method, error)));
      return;
    }
    new RegistrationStream(edge, method, registerOne, call).start();
  };
}

class RegistrationStream {
  readonly #edge: CallEdge;
  readonly #method: string;
  readonly #registerOne: (request: RegisterRequest, caller: Caller) => Promise<RegisterResponse>;
  readonly #call: Stream;
  #underWay = 0;
  #isEnded = false;
  #isBlocked = false;

  constructor(
    edge: CallEdge,
    method: string,
    registerOne: (request: RegisterRequest, caller: Caller) => Promise<RegisterResponse>,
    call: Stream,
  ) {
    this.#edge = edge;
    this.#method = method;
    this.#registerOne = registerOne;
    this.#call = call;
  }

  start(): void {
    const call = this.#call;
    call.on("data", (message: RegisterStreamRequest) => this.#accept(message));
    call.on("drain", () => {
      this.#isBlocked = false;
      this.#steer();
    });
    call.on("end", () => {
      this.#isEnded = true;
      this.#steer();
    });
    // Without a listener an aborted stream would end the process; what is under way still becomes durable.
    call.on("error", (error: Error) => this.#edge.logger.info({ method: this.#method, err: error }, "stream broke"));
  }

  #accept(message: RegisterStreamRequest): void {
    this.#underWay += 1;
    this.#steer();
    this.#answer(message).then((answer) => {
      this.#underWay -= 1;
      if (!this.#call.cancelled && !this.#call.write(answer)) this.#isBlocked = true;
      this.#steer();
    });
  }

  /** Never rejects. The caller is authorised again for each request, so a revocation bites inside an open stream. */
  async #answer({ tag, request }: RegisterStreamRequest): Promise<RegisterStreamResponse> {
    try {
      const caller = authoriseCall(this.#edge, this.#call.getPeer(), this.#method);
      if (request === undefined) {
        throw new Refusal("REQUEST-FIELD", "malformed", "The stream message carries no request.", { field: "request" });
      }
      return { tag, outcome: { $case: "response", value: await this.#registerOne(request, caller) } };
    } catch (error) {
      return {
        tag,
        outcome: { $case: "refusal", value: reportFailure(this.#edge, this.#call.getPeer(), this.#method, error) },
      };
    }
  }

  #steer(): void {
    if (this.#isEnded && this.#underWay === 0) this.#call.end();
    else if (this.#isBlocked || this.#underWay >= MAX_UNDER_WAY) this.#call.pause();
    else this.#call.resume();
  }
}
