import type { IncomingMessage } from "node:http";
import { Refusal } from "../refusal.ts";
import { httpRefusal } from "./http-status.ts";
import { readBody } from "./read-body.ts";
import { type Patience, registerPatiently } from "./register-patiently.ts";
import type { Registrar, RegistrationAnswer } from "./registrar.ts";
import { parseSignRequest } from "./sign-request.ts";

/** What goes back to the board, and what the log says of it. */
export interface SignReply {
  readonly status: number;
  readonly body: Readonly<Record<string, string>>;
  readonly retryAfterSeconds?: number;
  /** The rest of the request was not read: the connection cannot be used again. */
  readonly isCut?: boolean;
  readonly note: SignNote;
}

/** Nothing in it is secret and nothing is as long as a certificate. */
export interface SignNote {
  readonly outcome: "registered" | "repeated" | "refused" | "failed" | "gone";
  /** Empty when the request did not name a well-formed one. */
  readonly uuid: string;
  readonly control?: string;
  readonly sequence?: string;
  readonly cause?: string;
}

export interface SignParts {
  readonly registrar: Registrar;
  readonly patience: Patience;
  readonly maxBodyBytes: number;
  readonly bodyTimeoutMs: number;
}

const CANONICAL_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `POST /sign`: never rejects, and answers every request with a status and a sentence. */
export async function answerSign(parts: SignParts, request: IncomingMessage): Promise<SignReply> {
  const body = await readBody(request, parts.maxBodyBytes, parts.bodyTimeoutMs);
  switch (body.kind) {
    case "whole":
      return await answerBody(parts, body.bytes);
    case "too-large":
      return cutReply(413, "The request is larger than any registration; check what the device sends.");
    case "too-slow":
      return cutReply(408, "The request did not arrive in time; check the network and run the registration again.");
    case "cut":
      return {
        ...cutReply(400, "The request broke off; run the registration again."),
        note: { outcome: "gone", uuid: "" },
      };
  }
}

async function answerBody(parts: SignParts, bytes: Buffer): Promise<SignReply> {
  let uuid = "";
  try {
    const request = parseSignRequest(bytes);
    if (CANONICAL_UUID.test(request.uuid)) uuid = request.uuid;
    return registeredReply(await registerPatiently(parts.registrar, request, parts.patience), uuid);
  } catch (error) {
    return error instanceof Refusal ? refusedReply(error, uuid) : failedReply(error, uuid);
  }
}

/** Every name becomes a file on the board, so there are these four and never another. */
function registeredReply(answer: RegistrationAnswer, uuid: string): SignReply {
  return {
    status: 201,
    body: {
      "root.crt": answer.factoryRootPem,
      "sota.toml": answer.sotaToml,
      "client.pem": answer.certificatePem,
      "client.chained": `${answer.certificatePem}\n${answer.issuerPem}`,
    },
    note: { outcome: answer.alreadyIssued ? "repeated" : "registered", uuid, sequence: String(answer.sequence) },
  };
}

function refusedReply(refusal: Refusal, uuid: string): SignReply {
  return {
    ...httpRefusal(refusal),
    body: { message: messageOf(refusal) },
    note: { outcome: "refused", uuid, control: refusal.control, cause: printable(refusal.message) },
  };
}

/** What a connection says of itself when it is lost is no sentence for a line worker: it stands in the log alone. */
function messageOf(refusal: Refusal): string {
  return refusal.code === "away"
    ? "The appliance or its HSM does not answer now. Wait a little and run the registration again: nothing is lost, and a certificate that was made is given out again."
    : printable(refusal.message);
}

function failedReply(error: unknown, uuid: string): SignReply {
  const cause = printable(error instanceof Error ? error.message : "unknown");
  return {
    status: 500,
    body: {
      message:
        "The registration failed in a way that nobody foresaw. Run it again: a certificate that was made is given out again. If it stays so, tell the operator the time and this station's name.",
    },
    note: { outcome: "failed", uuid, cause },
  };
}

function cutReply(status: number, message: string): SignReply {
  return { status, body: { message }, isCut: true, note: { outcome: "refused", uuid: "", control: "REQUEST-FIELD" } };
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 400);
}
