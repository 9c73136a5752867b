import type { IncomingMessage } from "node:http";
import { Refusal } from "../refusal.ts";
import type { Delivery } from "./delivery.ts";
import type { InFlightLimit } from "./limit-in-flight.ts";
import { readBody } from "./read-body.ts";
import { type Patience, registerPatiently } from "./register-patiently.ts";
import type { Registrar, RegistrationAnswer } from "./registrar.ts";
import { cutReply, failedReply, type Reply, refusedReply } from "./reply.ts";
import { parseSignFields, readSignRequest } from "./sign-request.ts";
import type { JsonObject } from "./strict-json.ts";

export interface SignParts {
  readonly registrar: Registrar;
  /** At a partially detached station. */
  readonly delivery?: Delivery;
  readonly patience: Patience;
  readonly inFlight: InFlightLimit;
  readonly maxBodyBytes: number;
  readonly bodyTimeoutMs: number;
}

const CANONICAL_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `POST /sign`: never rejects, and answers every request with a status and a sentence. */
export async function answerSign(parts: SignParts, request: IncomingMessage): Promise<Reply> {
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

async function answerBody(parts: SignParts, bytes: Buffer): Promise<Reply> {
  let uuid = "";
  try {
    const fields = parseSignFields(bytes);
    uuid = uuidOf(fields);
    return await parts.inFlight.run(() => register(parts, fields, uuid));
  } catch (error) {
    return error instanceof Refusal ? refusedReply(error, uuid) : failedReply(error, uuid);
  }
}

async function register(parts: SignParts, fields: JsonObject, uuid: string): Promise<Reply> {
  const request = readSignRequest(fields);
  await parts.delivery?.check();
  const answer = await registerPatiently(parts.registrar, request, parts.patience);
  // Before anything is created at the Factory: past this line nothing can fail but the creation itself.
  const reply = registeredReply(answer, uuid);
  return parts.delivery === undefined ? reply : await deliver(parts.delivery, request.uuid, answer, reply);
}

/** The answer waits until the Factory has the device; a failure names the record that the board's next try finds. */
async function deliver(
  delivery: Delivery,
  uuid: string,
  { certificatePem, sequence }: RegistrationAnswer,
  reply: Reply,
): Promise<Reply> {
  try {
    const delivered = await delivery.deliver(uuid, certificatePem);
    return { ...reply, note: { ...reply.note, delivered } };
  } catch (error) {
    const failed =
      error instanceof Refusal ? refusedReply(error, reply.note.uuid) : failedReply(error, reply.note.uuid);
    return { ...failed, note: { ...failed.note, sequence: String(sequence) } };
  }
}

/** Every name becomes a file on the board, so there are these four and never another. */
function registeredReply(answer: RegistrationAnswer, uuid: string): Reply {
  const files = {
    "root.crt": answer.factoryRootPem,
    "sota.toml": answer.sotaToml,
    "client.pem": answer.certificatePem,
    "client.chained": `${answer.certificatePem}\n${answer.issuerPem}`,
  };
  return {
    status: 201,
    text: JSON.stringify(files),
    note: {
      outcome: answer.alreadyIssued ? "repeated" : "registered",
      uuid,
      sequence: String(answer.sequence),
      ...(answer.warning === "" ? {} : { warning: answer.warning }),
    },
  };
}

/** For the log: only a well-formed one is worth the line. */
function uuidOf(fields: JsonObject): string {
  const uuid = fields.get("uuid");
  return typeof uuid === "string" && CANONICAL_UUID.test(uuid) ? uuid : "";
}
