import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type RequestOptions, request } from "node:https";
import { connect } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type RunningBridge, startBridge } from "../../src/bridge/bridge-server.ts";
import { createTestKey, TestFactory } from "../sandbox/test-factory.ts";
import { postRequest, readAnswers } from "./raw-http.ts";
import { RegistrarDouble } from "./registrar-double.ts";

const PLAIN = readFileSync(new URL("../vectors/device-register/plain.request.json", import.meta.url));

describe("TLS towards boards", () => {
  const pki = new TestFactory("acme");
  const key = createTestKey();
  const certificate = pki.device("station", { key, isServer: true });
  const tls = { certificate, key: String(key.privateKey.export({ type: "pkcs8", format: "pem" })) };
  let bridge: RunningBridge;
  let registrar: RegistrarDouble;

  beforeEach(async () => {
    registrar = new RegistrarDouble();
    const logger = { info: () => undefined, warn: () => undefined } as Parameters<typeof startBridge>[0]["logger"];
    const limits = { headersTimeoutMs: 200, maxConnectionsPerAddress: 2 };
    bridge = await startBridge({ registrar, logger, host: "127.0.0.1", port: 0, tls, limits });
  });

  afterEach(() => bridge.close());

  async function post(options: RequestOptions): Promise<number> {
    const call = request({ host: "127.0.0.1", port: bridge.port, path: "/sign", method: "POST", ...options });
    call.end(PLAIN);
    const [response] = await once(call, "response");
    response.resume();
    return response.statusCode;
  }

  it("answers 201 to a board that trusts the station's certificate", async () => {
    assert.equal(await post({ ca: pki.caPem }), 201);
  });

  it("is refused by a board that does not trust it, and registers nothing", async () => {
    await assert.rejects(post({}), /certificate/i);
    assert.deepEqual(registrar.requests, []);
  });

  it("refuses versions before TLS 1.2", async () => {
    const old: ConnectionOptions = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" };
    const socket = connectTls({ host: "127.0.0.1", port: bridge.port, rejectUnauthorized: false, ...old });
    const [error] = await once(socket, "error");
    assert.match(String(error.code), /SSL|TLS|PROTO|ECONNRESET/);
  });

  it("registers nothing that comes in plain HTTP, and lives on", async () => {
    const socket = connect(bridge.port, "127.0.0.1");
    socket.write(postRequest(PLAIN));
    await readAnswers(socket);
    assert.deepEqual(registrar.requests, []);
    assert.equal(await post({ ca: pki.caPem }), 201);
  });

  it("cuts a connection whose handshake does not come", async () => {
    const socket = connect(bridge.port, "127.0.0.1");
    assert.deepEqual(await readAnswers(socket), []);
  });

  it("drops connections above an address's limit before their handshake, and lives on", async () => {
    const held = [connect(bridge.port, "127.0.0.1"), connect(bridge.port, "127.0.0.1")];
    for (const socket of held) await once(socket, "connect");
    assert.deepEqual(await readAnswers(connect(bridge.port, "127.0.0.1")), []);
    for (const socket of held) await readAnswers(socket);
    assert.equal(await post({ ca: pki.caPem }), 201);
  });
});
