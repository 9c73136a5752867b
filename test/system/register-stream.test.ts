import assert from "node:assert/strict";
import { credentials } from "@grpc/grpc-js";
import {
  type RegisterStreamRequest,
  type RegisterStreamResponse,
  RegistrationServiceClient,
} from "../../src/gen/airlock/registration/v1/registration.ts";
import { STATION } from "../../src/sandbox/create-site.ts";
import { sharedSite } from "../support/shared-site.ts";
import { identityOf, makeRequest } from "../support/station.ts";

/** Sends everything at once, ends its own side, and collects what comes until the server ends. */
async function exchange(messages: readonly RegisterStreamRequest[]): Promise<RegisterStreamResponse[]> {
  const { address, lineCa, key, certificate } = await identityOf(await sharedSite(), STATION);
  const [ca, own, leaf] = [lineCa, key, certificate].map((pem) => Buffer.from(pem));
  const client = new RegistrationServiceClient(address, credentials.createSsl(ca, own, leaf));
  const stream = client.registerStream();
  for (const message of messages) stream.write(message);
  stream.end();
  const answers: RegisterStreamResponse[] = [];
  for await (const answer of stream) answers.push(answer as RegisterStreamResponse);
  client.close();
  return answers;
}

function message(tag: number, request = makeRequest()): RegisterStreamRequest {
  const { csrDer, ...rest } = request;
  return { tag: BigInt(tag), request: { ...rest, csr: csrDer, overrides: [] } };
}

describe("RegisterStream", function () {
  this.timeout(60_000);

  it("ISSUE-ONCE answers 300 requests of one stream, each under its own tag, with 300 records", async () => {
    const answers = await exchange(Array.from({ length: 300 }, (_, i) => message(i)));
    assert.deepEqual(
      answers.map(({ tag }) => Number(tag)).sort((a, b) => a - b),
      Array.from({ length: 300 }, (_, i) => i),
    );
    const sequences = answers.map(({ outcome }) =>
      outcome?.$case === "response" ? outcome.value.sequence : undefined,
    );
    assert.ok(sequences.every((sequence) => sequence !== undefined));
    assert.equal(new Set(sequences).size, 300);
  });

  it("CSR-PROOF refuses one request inside the stream by name, and the others go on", async () => {
    const broken = makeRequest();
    const csrDer = Buffer.from(broken.csrDer);
    csrDer[csrDer.length - 3] = (csrDer[csrDer.length - 3] ?? 0) ^ 1;
    const answers = await exchange([
      message(1),
      message(2, { ...broken, csrDer }),
      message(3),
      { tag: 4n, request: undefined },
    ]);
    const outcomes = new Map(answers.map(({ tag, outcome }) => [Number(tag), outcome]));
    assert.equal(outcomes.get(1)?.$case, "response");
    assert.equal(outcomes.get(3)?.$case, "response");
    const refusal = outcomes.get(2);
    assert.equal(refusal?.$case === "refusal" && refusal.value.control, "CSR-PROOF");
    const empty = outcomes.get(4);
    assert.equal(empty?.$case === "refusal" && empty.value.control, "REQUEST-FIELD");
  });
});
