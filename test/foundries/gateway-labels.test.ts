import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { labelRequest, openGateway } from "../../src/foundries/gateway-labels.ts";
import { Refusal } from "../../src/refusal.ts";

const UUID = "0b5d7e0a-0000-4000-8000-000000000001";

describe("foundries/gateway-labels", () => {
  let server: Server;
  let url: string;
  let status = 200;
  const asked: { line: string; authorization: string | undefined; body: string }[] = [];

  before(async () => {
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      asked.push({ line: `${request.method} ${request.url}`, authorization: request.headers.authorization, body });
      response.statusCode = status;
      response.end("{}");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  it("BUNDLE-WHO sends name and group as the gateway documents, with the caller's own header", async () => {
    const gateway = openGateway({ baseUrl: `${url}/`, header: "Authorization: Bearer abc\n" });
    assert.equal(await gateway.setLabels(UUID, { name: "gw-1", group: "pilot" }), "done");
    gateway.close();
    assert.deepEqual(asked.at(-1), {
      line: `PATCH /v1/devices/${UUID}/labels`,
      authorization: "Bearer abc",
      body: '{"upserts":{"name":"gw-1","group":"pilot"}}',
    });
    assert.deepEqual(labelRequest(UUID, { name: "gw-1" }).body, { upserts: { name: "gw-1" } });
  });

  for (const [code, outcome] of [
    [204, "done"],
    [404, "absent"],
    [401, "unauthorised"],
    [500, "lost"],
  ] as const) {
    it(`BUNDLE-WHO takes ${code} for ${outcome}`, async () => {
      status = code;
      const gateway = openGateway({ baseUrl: url });
      assert.equal(await gateway.setLabels(UUID, { name: "gw-1" }), outcome);
      gateway.close();
    });
  }

  it("SECRET-SILENT refuses an address or a header that would leak or break, without showing it", () => {
    for (const options of [
      { baseUrl: "http://gateway.example.org" },
      { baseUrl: "https://user:secret@gateway.example.org" },
      { baseUrl: url, header: "secret" },
      { baseUrl: url, header: "Authorization: Bearer secret\r\nX: y" },
    ]) {
      assert.throws(
        () => openGateway(options),
        (error) => error instanceof Refusal && !error.message.includes("secret"),
      );
    }
  });

  it("BUNDLE-WHO a gateway that is not there settles nothing", async () => {
    const gateway = openGateway({ baseUrl: "http://127.0.0.1:9" });
    assert.equal(await gateway.setLabels(UUID, { name: "gw-1" }), "lost");
    gateway.close();
  });
});
