import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { constants, createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Refusal } from "../../src/refusal.ts";
import { openRegistrationClient, type RegistrationClient } from "../../src/rpc/registration-client.ts";
import { serviceError } from "../../src/rpc/status.ts";
import { openTransferClient, type TransferClient } from "../../src/rpc/transfer-client.ts";
import { OPERATOR } from "../../src/sandbox/create-site.ts";
import { freePort } from "../../src/sandbox/programs.ts";
import { createTestKey, TestFactory } from "../sandbox/test-factory.ts";
import { makeLinePki } from "../support/line-pki.ts";
import { sharedSite } from "../support/shared-site.ts";
import { identityOf, makeRequest, openStation } from "../support/station.ts";

const AWAY = /^The appliance does not answer now\. /;

describe("registration client", () => {
  const pki = new TestFactory("acme");
  const key = createTestKey();
  const keyPem = String(key.privateKey.export({ type: "pkcs8", format: "pem" }));
  const certificate = pki.device("appliance", { key, isServer: true });
  const sockets = new Set<Socket>();
  let server: Http2SecureServer | Server;
  let client: RegistrationClient;

  afterEach(async () => {
    client.close();
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });

  async function listen(made: Http2SecureServer | Server): Promise<number> {
    server = made;
    made.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => undefined);
    });
    made.listen(0, "127.0.0.1");
    await once(made, "listening");
    return (made.address() as AddressInfo).port;
  }

  function open(port: number, deadlineMs?: number): RegistrationClient {
    const identity = { address: `127.0.0.1:${port}`, lineCa: pki.caPem, certificate, key: keyPem };
    client = openRegistrationClient(identity, deadlineMs);
    return client;
  }

  /** An appliance whose every call this answers. */
  async function serve(answer: (stream: ServerHttp2Stream) => void, deadlineMs?: number): Promise<RegistrationClient> {
    const made = createSecureServer({ cert: certificate, key: keyPem });
    made.on("stream", (stream) => {
      stream.on("error", () => undefined);
      answer(stream);
    });
    return open(await listen(made), deadlineMs);
  }

  async function rejection(call: Promise<unknown>): Promise<Error> {
    const error = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof Error);
    return error;
  }

  function assertAway(error: Error): void {
    assert.ok(error instanceof Refusal, String(error));
    assert.deepEqual([error.control, error.code], ["SERVICE-STATE", "away"]);
    assert.match(error.message, AWAY);
  }

  it("says that the appliance does not answer when nobody listens, and names no address", async () => {
    await listen(createServer());
    const error = await rejection(open(await freePort()).register(makeRequest()));
    assertAway(error);
    assert.doesNotMatch(error.message, /127\.0\.0\.1|UNAVAILABLE/);
    assert.match(String(error.cause), /ECONNREFUSED/);
  });

  it("says so when a server takes the connection and stays silent", async () => {
    const port = await listen(createServer());
    assertAway(await rejection(open(port, 200).register(makeRequest())));
  });

  it("says so when a server takes the call and stays silent", async () => {
    const called = await serve(() => undefined, 400);
    assertAway(await rejection(called.register(makeRequest())));
  });

  const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants;
  const losses: [title: string, lose: (stream: ServerHttp2Stream) => void][] = [
    ["ends the stream without an error", (stream) => stream.close(NGHTTP2_NO_ERROR)],
    ["resets the stream with an internal error", (stream) => stream.close(NGHTTP2_INTERNAL_ERROR)],
    ["cancels the stream", (stream) => stream.close(NGHTTP2_CANCEL)],
    ["refuses the stream", (stream) => stream.close(NGHTTP2_REFUSED_STREAM)],
    ["cuts the connection", (stream) => stream.session?.socket.destroy()],
    ["ends the session", (stream) => stream.session?.destroy()],
  ];
  for (const [title, lose] of losses) {
    it(`says so when a server that dies ${title} during the call`, async () => {
      const called = await serve(lose);
      assertAway(await rejection(called.register(makeRequest())));
    });
  }

  it("takes a server at an IP address only when its certificate names that address, and without a warning", async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error) => warnings.push(warning);
    process.on("warning", warn);
    const line = makeLinePki();
    const { certificate: cert, key: serverKey } = await line.serverIdentity(Date.now());
    const made = createSecureServer({ cert, key: serverKey });
    made.on("stream", (stream) => stream.respond({ ...GRPC, "grpc-status": "13" }, { endStream: true }));
    const port = await listen(made);
    const station = await line.client("station", "line-1");
    const called = async (host: string) => {
      client = openRegistrationClient({ ...station, address: `${host}:${port}`, lineCa: line.lineCa.pem });
      return await rejection(client.register(makeRequest())).finally(() => client.close());
    };
    const named = await called("localhost");
    assert.ok(!(named instanceof Refusal), "localhost is in the certificate, so the call gets through");
    const numbered = await called("127.0.0.1");
    assertAway(numbered);
    assert.match(String(numbered.cause), /IP: 127\.0\.0\.1 is not in the cert's list/);
    process.off("warning", warn);
    assert.deepEqual(warnings, []);
  });

  const GRPC = { ":status": 200, "content-type": "application/grpc" };

  it("passes the appliance's own UNAVAILABLE on with its own sentence", async () => {
    const sentence = "The HSM cannot be reached. Nothing was issued; try again shortly.";
    const { metadata } = serviceError({ code: 14, message: sentence, control: "SERVICE-STATE", field: "" });
    const details = (metadata.get("grpc-status-details-bin")[0] as Buffer).toString("base64");
    const status = { "grpc-status": "14", "grpc-message": sentence, "grpc-status-details-bin": details };
    const called = await serve((stream) => stream.respond({ ...GRPC, ...status }, { endStream: true }));
    const error = await rejection(called.register(makeRequest()));
    assert.deepEqual([error instanceof Refusal && error.code, error.message], ["away", sentence]);
  });

  it("does not take the appliance's own INTERNAL for an absence", async () => {
    const status = { "grpc-status": "13", "grpc-message": "Unexpected failure; nothing is known about this request." };
    const called = await serve((stream) => stream.respond({ ...GRPC, ...status }, { endStream: true }));
    const error = await rejection(called.register(makeRequest()));
    assert.ok(!(error instanceof Refusal));
    assert.match(error.message, /Unexpected failure/);
  });
});

describe("registration client at a real appliance", function () {
  this.timeout(120_000);
  let station: RegistrationClient;
  let operator: TransferClient;

  before(async () => {
    const site = await sharedSite();
    station = await openStation(site);
    operator = openTransferClient(await identityOf(site, OPERATOR));
  });

  after(() => {
    station.close();
    operator.close();
  });

  it("reads back the name that the record has, not the one that a repetition asks for", async () => {
    const request = { ...makeRequest(), name: `unit-${randomUUID()}` };
    await station.register(request);
    await station.register({ ...request, name: "another" });
    assert.deepEqual(await station.getDevice(request.uuid), { name: request.name });
  });

  for (const outcome of ["created", "already-there", "failed"] as const) {
    it(`notes a delivery as ${outcome} in a record of its own, and the registration stays queued`, async () => {
      const request = makeRequest();
      await station.register(request);
      const before = await operator.status();
      await station.reportDelivery({ uuid: request.uuid, outcome, httpStatus: 201 });
      const after = await operator.status();
      assert.equal(after.headSequence, before.headSequence + 1n);
      assert.equal(after.queued, before.queued);
    });
  }

  it("passes on the refusal of a uuid that was never registered", async () => {
    const report = { uuid: randomUUID(), outcome: "created", httpStatus: 201 } as const;
    await assert.rejects(station.reportDelivery(report), { name: "Refusal", control: "REQUEST-FIELD" });
    await assert.rejects(station.getDevice(report.uuid), { name: "Refusal", control: "REQUEST-FIELD" });
  });
});
