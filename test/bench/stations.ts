import { Agent, request as httpRequest } from "node:http";
import {
  type RegisterRequest,
  type RegisterResponse,
  type RegisterStreamResponse,
  RegistrationServiceClient,
} from "../../src/gen/airlock/registration/v1/registration.ts";
import { type ClientIdentity, callUnary, openClient } from "../../src/rpc/client.ts";
import { encodePem } from "../../src/x509/pem.ts";
import type { Send } from "./load.ts";

/** A way to register, over one connection of mutual TLS or over HTTP. */
export interface Station {
  readonly send: Send;
  close(): void;
}

/** Unary Register. */
export function openUnaryStation(identity: ClientIdentity): Station {
  const client = openClient(RegistrationServiceClient, identity);
  return {
    send: async (request) => checkAnswer(await callUnary((done) => client.register(request, done))),
    close: () => client.close(),
  };
}

/** RegisterStream: everything over one stream; answers come in any order. */
export function openStreamStation(identity: ClientIdentity): Station {
  const client = openClient(RegistrationServiceClient, identity);
  const stream = client.registerStream();
  const waiting = new Map<bigint, PromiseWithResolvers<void>>();
  stream.on("data", (answer: RegisterStreamResponse) => {
    const one = waiting.get(answer.tag);
    waiting.delete(answer.tag);
    settle(answer, one);
  });
  let broken: Error | undefined;
  const fail = (error: Error) => {
    broken = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  stream.on("error", fail);
  stream.on("end", () => fail(new Error("the appliance ended the stream")));
  let lastTag = 0n;
  const send = (request: RegisterRequest) => {
    if (broken !== undefined) return Promise.reject(broken);
    const one = Promise.withResolvers<void>();
    waiting.set(++lastTag, one);
    stream.write({ tag: lastTag, request });
    return one.promise;
  };
  return {
    send,
    close: () => {
      stream.end();
      client.close();
    },
  };
}

function settle({ outcome }: RegisterStreamResponse, one: PromiseWithResolvers<void> | undefined): void {
  try {
    if (outcome?.$case !== "response") throw new Error(outcome?.value.message ?? "an answer without outcome");
    checkAnswer(outcome.value);
    one?.resolve();
  } catch (error) {
    one?.reject(error);
  }
}

function checkAnswer({ certificatePem, issuerPem, sotaToml, sequence, alreadyIssued }: RegisterResponse): void {
  const isWhole = certificatePem.endsWith("-----END CERTIFICATE-----\n") && issuerPem !== "" && sotaToml !== "";
  if (!isWhole || sequence === 0n || alreadyIssued) throw new Error("the answer is not a new certificate");
}

/** POST /sign as a board sends it, over kept connections. */
export function openBoard(port: number, connections: number): Station {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    send: async (request) => {
      const { status, text } = await post(agent, port, encodeSignBody(request));
      if (status !== 201 || !text.includes('"client.pem"')) throw new Error(`${status} ${text.slice(0, 200)}`);
    },
    close: () => agent.destroy(),
  };
}

function encodeSignBody({ uuid, name, hardwareId, csr, sotaConfigDir }: RegisterRequest): string {
  const csrPem = encodePem(csr, "CERTIFICATE REQUEST");
  return JSON.stringify({ name, uuid, csr: csrPem, "hardware-id": hardwareId, "sota-config-dir": sotaConfigDir });
}

function post(agent: Agent, port: number, body: string): Promise<{ status: number; text: string }> {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const call = httpRequest({ agent, host: "127.0.0.1", port, path: "/sign", method: "POST", headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("latin1") }),
      );
    });
    call.on("error", reject);
    call.end(body);
  });
}
