import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createFoundriesApi, type FoundriesApiClient } from "../../src/foundries/api-client.ts";
import type { FoundriesApi } from "../../src/foundries/port.ts";
import type { FoundriesPort } from "../../src/importer/foundries-port.ts";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import type { Fault } from "../../src/sandbox/foundries-faults.ts";
import { createTestKey, TestFactory } from "../sandbox/test-factory.ts";

const UUID = "5b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10";
const OTHER = "0b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10";
const pki = new TestFactory("acme");

/** A promise of a call on each method, for what must hold for all of them. */
const CALLS: [name: string, call: (api: FoundriesApi) => Promise<{ outcome: string }>][] = [
  ["createDevice", (api) => api.createDevice({ certificatePem: pki.device(UUID) })],
  ["getDevice", (api) => api.getDevice(UUID)],
  ["patchDevice", (api) => api.patchDevice(UUID, { name: "n" })],
  ["listDenied", (api) => api.listDenied()],
  ["deleteDenied", (api) => api.deleteDenied(UUID)],
  ["listGroups", (api) => api.listGroups()],
  ["listScopes", (api) => api.listScopes()],
];

describe("Foundries API client", () => {
  let sandbox: FoundriesApiSandbox;
  let api: FoundriesApiClient;

  const connect = (options: { token?: string; factory?: string; timeoutMs?: number; baseUrl?: string } = {}) =>
    createFoundriesApi({ baseUrl: sandbox.url, factory: "acme", token: SANDBOX_TOKEN, ...options });

  beforeEach(async () => {
    sandbox = await startFoundriesApi({ factory: "acme", deviceCasPem: pki.caPem, groups: ["lab", "line"] });
    api = connect();
  });

  afterEach(async () => {
    api.close();
    await sandbox.close();
  });

  it("is what the importer asks for", () => {
    const port: FoundriesPort = api;
    assert.equal(port, api);
  });

  it("creates a device with name and group and reads it back with its key", async () => {
    const key = createTestKey();
    const certificatePem = pki.device(UUID, { key });
    assert.deepEqual(await api.createDevice({ certificatePem, name: "unit-1", group: "lab" }), { outcome: "created" });
    assert.deepEqual(await api.getDevice(UUID), {
      outcome: "found",
      device: { uuid: UUID, name: "unit-1", group: "lab", spkiDer: key.spkiDer },
    });
    assert.deepEqual(sandbox.requests, ["PUT /ota/devices/", `GET /ota/devices/${UUID}/?factory=acme&by-uuid=1`]);
  });

  it("leaves name and group out where none is given", async () => {
    await api.createDevice({ certificatePem: pki.device(UUID) });
    const found = await api.getDevice(UUID);
    assert.ok(found.outcome === "found");
    assert.deepEqual(Object.keys(found.device), ["uuid", "name", "spkiDer"]);
    assert.equal(found.device.name, UUID);
  });

  it("answers conflict for the same device again and for a name that is taken", async () => {
    const certificatePem = pki.device(UUID);
    await api.createDevice({ certificatePem, name: "unit-1" });
    assert.deepEqual(await api.createDevice({ certificatePem, name: "unit-1" }), { outcome: "conflict" });
    const other = pki.device(OTHER);
    assert.deepEqual(await api.createDevice({ certificatePem: other, name: "unit-1" }), { outcome: "conflict" });
    assert.deepEqual(await api.getDevice(OTHER), { outcome: "absent" });
  });

  it("says with the API's words why a request is invalid", async () => {
    const foreign = new TestFactory("acme").device(UUID);
    assert.deepEqual(await api.createDevice({ certificatePem: foreign }), {
      outcome: "invalid",
      status: 400,
      message: "client.pem was not issued by a device CA of this factory",
    });
  });

  it("changes name and group, and tells absent and conflict apart", async () => {
    await api.createDevice({ certificatePem: pki.device(UUID), name: "unit-1" });
    await api.createDevice({ certificatePem: pki.device(OTHER), name: "unit-2" });
    assert.deepEqual(await api.patchDevice(UUID, { name: "unit-9", group: "line" }), { outcome: "done" });
    assert.deepEqual(await api.patchDevice(UUID, { name: "unit-2" }), { outcome: "conflict" });
    assert.deepEqual(await api.patchDevice("99999999-7f0c-4a6e-9a4c-0c2c3a3b9f10", { name: "x" }), {
      outcome: "absent",
    });
    const device = sandbox.devices.get(UUID);
    assert.deepEqual([device?.name, device?.group], ["unit-9", "line"]);
  });

  it("lists the whole deny list over its pages and takes one off it", async () => {
    const uuids = Array.from({ length: 250 }, (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`);
    for (const uuid of uuids) sandbox.deny(uuid);
    assert.deepEqual(await api.listDenied(), { outcome: "found", items: uuids });
    assert.equal(sandbox.requests.length, 3);
    assert.deepEqual(await api.deleteDenied(uuids[7] ?? ""), { outcome: "done" });
    assert.deepEqual(await api.deleteDenied(uuids[7] ?? ""), { outcome: "absent" });
    assert.equal(sandbox.denied.size, 249);
  });

  it("gives no part of a deny list when a later page fails", async () => {
    for (let n = 0; n < 150; n++) sandbox.deny(`uuid-${n}`);
    sandbox.faults.set({ kind: "latency", ms: 0 });
    sandbox.faults.set({ kind: "status", status: 500 });
    assert.equal((await api.listDenied()).outcome, "transient");
  });

  it("lists scopes and groups", async () => {
    assert.deepEqual(await api.listGroups(), { outcome: "found", items: ["lab", "line"] });
    assert.deepEqual(await api.listScopes(), {
      outcome: "found",
      items: ["devices:create", "devices:read", "devices:read-update", "devices:delete"],
    });
  });

  for (const [name, call] of CALLS) {
    it(`ends ${name} as unauthorised with a token that the API does not know`, async () => {
      const wrong = connect({ token: "another" });
      assert.deepEqual(await call(wrong), { outcome: "unauthorised", status: 401 });
      wrong.close();
    });

    it(`ends ${name} as transient when the connection is lost, and repeats nothing by itself`, async () => {
      sandbox.faults.set({ kind: "drop-before" });
      const { outcome } = await call(api);
      assert.equal(outcome, "transient");
      assert.equal(sandbox.requests.length, 1);
    });

    it(`ends ${name} as transient at a redirect, which it does not follow`, async () => {
      sandbox.faults.set({ kind: "status", status: 307 });
      assert.equal((await call(api)).outcome, "transient");
      assert.equal(sandbox.requests.length, 1);
    });
  }

  it("ends as unauthorised for another Factory", async () => {
    const wrong = connect({ factory: "other" });
    assert.deepEqual(await wrong.listScopes(), { outcome: "unauthorised", status: 403 });
    wrong.close();
  });

  const faults: [title: string, fault: Fault, reason: RegExp, retryAfterMs?: number][] = [
    ["a 429 and its seconds", { kind: "status", status: 429, retryAfter: "7" }, /fewer calls/, 7_000],
    ["a 503 without Retry-After", { kind: "status", status: 503 }, /HTTP 503/],
    ["a Retry-After of a year, capped", { kind: "status", status: 503, retryAfter: "31536000" }, /503/, 3_600_000],
    ["a Retry-After in the past", { kind: "status", status: 503, retryAfter: dateIn(-60_000) }, /503/, 0],
    ["a Retry-After that is nonsense", { kind: "status", status: 503, retryAfter: "soon" }, /503/],
    ["a 404 for the collection", { kind: "status", status: 404 }, /check its address/],
    ["a portal's friendly 200", { kind: "body", status: 200, body: "<html>Welcome</html>" }, /HTTP 200/],
    ["an answer that breaks off", { kind: "cut-answer" }, /no answer/],
  ];
  for (const [title, fault, reason, retryAfterMs] of faults) {
    it(`takes ${title} as transient`, async () => {
      sandbox.faults.set(fault);
      const result = await api.createDevice({ certificatePem: pki.device(UUID) });
      assert.ok(result.outcome === "transient");
      assert.match(result.reason, reason);
      assert.equal(result.retryAfterMs, retryAfterMs);
    });
  }

  it("counts a Retry-After date from the answer's own Date", async () => {
    sandbox.faults.set({ kind: "status", status: 503, retryAfter: dateIn(120_000) });
    const result = await api.listGroups();
    assert.ok(result.outcome === "transient");
    assert.ok(Math.abs((result.retryAfterMs ?? 0) - 120_000) <= 2_000, String(result.retryAfterMs));
  });

  it("finds by reading back that a device was created although the reply was lost", async () => {
    const certificatePem = pki.device(UUID);
    sandbox.faults.set({ kind: "drop-after" });
    assert.equal((await api.createDevice({ certificatePem })).outcome, "transient");
    assert.equal(sandbox.devices.size, 1);
    assert.deepEqual(await api.createDevice({ certificatePem }), { outcome: "conflict" });
    assert.equal((await api.getDevice(UUID)).outcome, "found");
  });

  it("gives up on a call that takes longer than its time", async () => {
    const hasty = connect({ timeoutMs: 50 });
    sandbox.faults.set({ kind: "latency", ms: 2_000 });
    assert.deepEqual(await hasty.listScopes(), { outcome: "transient", reason: "the API did not answer in time" });
    hasty.close();
  });

  const unreadable: [title: string, body: string, call: (api: FoundriesApi) => Promise<{ outcome: string }>][] = [
    ["another device than was asked for", JSON.stringify({ uuid: OTHER, name: "x" }), (a) => a.getDevice(UUID)],
    ["a device without a name", JSON.stringify({ uuid: UUID }), (a) => a.getDevice(UUID)],
    ["a page instead of JSON", "<html></html>", (a) => a.getDevice(UUID)],
    ["scopes that are no list", JSON.stringify({ "effective-scopes": "all" }), (a) => a.listScopes()],
    ["groups that are no list", JSON.stringify({ groups: {} }), (a) => a.listGroups()],
    ["an empty page that promises another", JSON.stringify({ devices: [], next: "http://x/" }), (a) => a.listDenied()],
  ];
  for (const [title, body, call] of unreadable) {
    it(`believes nothing of ${title}`, async () => {
      sandbox.faults.set({ kind: "body", status: 200, body });
      assert.equal((await call(api)).outcome, "transient");
    });
  }

  it("reports a device without a readable key as one without a key", async () => {
    const body = JSON.stringify({ uuid: UUID, name: "x", group: null, "public-key": "no key" });
    sandbox.faults.set({ kind: "body", status: 200, body });
    assert.deepEqual(await api.getDevice(UUID), { outcome: "found", device: { uuid: UUID, name: "x" } });
  });

  it("SECRET-SILENT keeps the token and unprintable text of the API out of what it reports", async () => {
    const body = JSON.stringify({ message: `bad\u001b[31m header OSF-TOKEN: ${SANDBOX_TOKEN}\n${"x".repeat(500)}` });
    sandbox.faults.set({ kind: "body", status: 400, body });
    const result = await api.createDevice({ certificatePem: pki.device(UUID) });
    assert.ok(result.outcome === "invalid");
    assert.match(result.message, /^bad \[31m header OSF-TOKEN: \[token\] x+$/);
    assert.equal(result.message.length, 200);
  });
});

describe("Foundries API client and its address", () => {
  const options = { baseUrl: "https://api.foundries.io", factory: "acme", token: "secret-token-42" };

  const refused: [title: string, changed: object][] = [
    ["plain http to another machine", { baseUrl: "http://api.foundries.io" }],
    ["plain http to a name that only starts like loopback", { baseUrl: "http://127.0.0.1.example.org" }],
    ["another scheme", { baseUrl: "ftp://127.0.0.1/" }],
    ["no URL", { baseUrl: "api.foundries.io" }],
    ["a password in the URL", { baseUrl: "https://user:secret-token-42@api.foundries.io" }],
    ["a query in the URL", { baseUrl: "https://api.foundries.io/?a=1" }],
    ["a factory that is a path", { factory: "acme/../other" }],
    ["an empty token", { token: " \n" }],
    ["a token with a line break, which would be a header of its own", { token: "secret-token-42\r\nx: y" }],
  ];
  for (const [title, changed] of refused) {
    it(`REQUEST-FIELD refuses ${title}, without repeating the token`, () => {
      assert.throws(
        () => createFoundriesApi({ ...options, ...changed }),
        (error: Error & { control?: string }) =>
          error.control === "REQUEST-FIELD" && !error.message.includes("secret-token-42"),
      );
    });
  }

  for (const baseUrl of ["http://localhost:1", "http://[::1]:1", "http://127.0.0.9:1/", "https://proxy.example/api/"]) {
    it(`accepts ${baseUrl}`, () => {
      createFoundriesApi({ ...options, baseUrl }).close();
    });
  }

  it("trusts the CAs of its file and no others", async () => {
    const pki = new TestFactory("acme");
    const key = createTestKey();
    const cert = pki.device("server", { key, isServer: true });
    const tls = { key: String(key.privateKey.export({ type: "pkcs8", format: "pem" })), cert };
    const sandbox = await startFoundriesApi({ factory: "acme", deviceCasPem: pki.caPem, tls });
    const trusting = createFoundriesApi({ ...options, baseUrl: sandbox.url, token: SANDBOX_TOKEN, caPem: pki.caPem });
    const other = createFoundriesApi({ ...options, baseUrl: sandbox.url, token: SANDBOX_TOKEN });
    assert.equal((await trusting.listScopes()).outcome, "found");
    assert.equal((await other.listScopes()).outcome, "transient");
    assert.equal(sandbox.requests.length, 1);
    trusting.close();
    other.close();
    await sandbox.close();
  });

  it("sends its token in OSF-TOKEN, below the path of its address, and reads an answer only up to its limit", async () => {
    const seen: unknown[] = [];
    const server = createServer((request, response) => {
      seen.push([request.url, request.headers["osf-token"]]);
      response.on("error", () => undefined);
      response.end("x".repeat(5 * 1024 * 1024));
    });
    const port = await listen(server);
    const api = createFoundriesApi({ ...options, baseUrl: `http://127.0.0.1:${port}/api/` });
    assert.deepEqual(await api.listScopes(), { outcome: "transient", reason: "the API's answer is too large" });
    assert.deepEqual(seen, [["/api/ota/factories/acme/users/self/", "secret-token-42"]]);
    api.close();
    server.closeAllConnections();
    server.close();
  });
});

function dateIn(ms: number): string {
  return new Date(Date.now() + ms).toUTCString();
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
