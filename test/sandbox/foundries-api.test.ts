import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { TestFactory } from "./test-factory.ts";

const UUID = "5b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10";
const pki = new TestFactory("acme");

describe("Foundries API sandbox", () => {
  let sandbox: FoundriesApiSandbox;

  const start = (options: Partial<Parameters<typeof startFoundriesApi>[0]> = {}) =>
    startFoundriesApi({ factory: "acme", deviceCasPem: pki.caPem, groups: ["lab"], ...options });

  async function call(method: string, path: string, body?: unknown, token = SANDBOX_TOKEN) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const init = { method, headers: { "OSF-TOKEN": token }, ...(body === undefined ? {} : { body: text }) };
    const response = await fetch(sandbox.url + path, init);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  const put = (pem: string, more: object = {}) => call("PUT", "/ota/devices/", { "client.pem": pem, ...more });

  beforeEach(async () => {
    sandbox = await start();
  });

  afterEach(() => sandbox.close());

  it("creates a device under its uuid and shows it by uuid and by name", async () => {
    assert.equal((await put(pki.device(UUID), { name: "unit-1", group: "lab" })).status, 201);
    const byUuid = await call("GET", `/ota/devices/${UUID}/?factory=acme&by-uuid=1`);
    const byName = await call("GET", "/ota/devices/unit-1/?factory=acme");
    assert.deepEqual(byName, byUuid);
    assert.deepEqual([byUuid.body.name, byUuid.body.group], ["unit-1", { name: "lab" }]);
  });

  it("takes a name for a uuid only without by-uuid", async () => {
    await put(pki.device(UUID), { name: "unit-1" });
    assert.equal((await call("GET", "/ota/devices/unit-1/?factory=acme&by-uuid=1")).status, 404);
    assert.equal((await call("GET", `/ota/devices/${UUID}/?factory=acme`)).status, 404);
  });

  const bad: [title: string, pem: () => string, more?: object][] = [
    ["no certificate", () => "nothing"],
    ["two certificates", () => pki.device(UUID) + pki.caPem],
    ["a certificate of another CA with the same name", () => new TestFactory("acme").device(UUID)],
    ["a certificate of another factory", () => pki.device(UUID, { factory: "other" })],
    [
      "a certificate whose key identifier is not the CA's",
      () => pki.device(UUID, { authorityKeyId: Buffer.alloc(20, 9) }),
    ],
    ["the CA's own certificate", () => pki.caPem],
    ["a server's certificate", () => pki.device(UUID, { isServer: true })],
    ["a certificate that has ended", () => pki.device(UUID, { notAfter: "20210101000000Z" })],
    ["a certificate that has not begun", () => pki.device(UUID, { notBefore: "20980101000000Z" })],
    ["an unknown group", () => pki.device(UUID), { group: "nowhere" }],
    ["an unknown key", () => pki.device(UUID), { owner: "me" }],
  ];
  for (const [title, pem, more] of bad) {
    it(`answers 400 to ${title}`, async () => {
      const answer = await put(pem(), more);
      assert.equal(answer.status, 400);
      assert.equal(typeof answer.body.message, "string");
      assert.equal(sandbox.devices.size, 0);
    });
  }

  it("answers 409 to the same device, to another key for its uuid and to a name that is taken, and changes nothing", async () => {
    const first = pki.device(UUID);
    await put(first, { name: "unit-1" });
    const other = pki.device("0b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10");
    const answers = [await put(first), await put(pki.device(UUID)), await put(other, { name: "unit-1" })];
    assert.deepEqual(
      answers.map((answer) => answer.status),
      [409, 409, 409],
    );
    assert.deepEqual(
      [...sandbox.devices.values()].map((device) => [device.name, device.certificatePem]),
      [["unit-1", first]],
    );
  });

  it("frees the old name of a device that was renamed", async () => {
    await put(pki.device(UUID), { name: "unit-1" });
    await call("PATCH", `/ota/devices/${UUID}/?factory=acme&by-uuid=1`, { name: "unit-2" });
    assert.equal((await put(pki.device("0b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10"), { name: "unit-1" })).status, 201);
  });

  it("answers 401 without a token and 403 without the scope or for another factory", async () => {
    const limited = await start({ tokens: { reader: ["devices:read"] } });
    const status = async (method: string, path: string, token: string) =>
      (await fetch(limited.url + path, { method, headers: { "OSF-TOKEN": token } })).status;
    assert.equal(await status("PUT", "/ota/devices/", "unknown"), 401);
    assert.equal(await status("PUT", "/ota/devices/", "reader"), 403);
    assert.equal(await status("GET", "/ota/factories/other/device-groups/", "reader"), 403);
    assert.equal(await status("GET", `/ota/devices/${UUID}/?factory=other&by-uuid=1`, "reader"), 403);
    assert.equal(await status("GET", "/ota/factories/acme/device-groups/", "reader"), 200);
    await limited.close();
  });

  it("keeps a deleted device on the deny list, where its uuid meets 409 and then 404", async () => {
    const pem = pki.device(UUID);
    await put(pem);
    assert.equal((await call("DELETE", `/ota/devices/${UUID}/?factory=acme&by-uuid=1`)).status, 200);
    assert.deepEqual((await call("GET", "/ota/factories/acme/denied-devices/?limit=10&page=1")).body, {
      devices: [{ uuid: UUID, name: UUID, factory: "acme" }],
      total: 1,
      next: null,
    });
    assert.equal((await put(pem)).status, 409);
    assert.equal((await call("GET", `/ota/devices/${UUID}/?factory=acme&by-uuid=1`)).status, 404);
    assert.equal((await call("DELETE", `/ota/factories/acme/denied-devices/${UUID}/`)).status, 200);
    assert.equal((await put(pem)).status, 201);
  });

  it("lets a PUT clear the deny list where it is told to", async () => {
    const clearing = await start({ deniedPut: "clear" });
    clearing.deny(UUID);
    const body = JSON.stringify({ "client.pem": pki.device(UUID) });
    const init = { method: "PUT", headers: { "OSF-TOKEN": SANDBOX_TOKEN }, body };
    assert.equal((await fetch(`${clearing.url}/ota/devices/`, init)).status, 201);
    assert.equal(clearing.denied.size, 0);
    await clearing.close();
  });

  it("cuts the deny list into pages and links the next", async () => {
    for (const uuid of ["a", "b", "c"]) sandbox.deny(uuid);
    const first = (await call("GET", "/ota/factories/acme/denied-devices/?limit=2&page=1")).body;
    const second = (await call("GET", "/ota/factories/acme/denied-devices/?limit=2&page=2")).body;
    assert.match(String(first.next), /page=2$/);
    assert.deepEqual([(first.devices as object[]).length, (second.devices as object[]).length], [2, 1]);
    assert.deepEqual([first.total, second.next], [3, null]);
  });

  it("answers 404 to an unknown path, 405 to a wrong method and 400 to a body that is no JSON", async () => {
    assert.equal((await call("GET", "/ota/nothing/")).status, 404);
    assert.equal((await call("POST", "/ota/devices/", {})).status, 405);
    assert.equal((await call("PUT", "/ota/devices/", "{")).status, 400);
    assert.equal((await call("PUT", "/ota/devices/", "x".repeat(70_000))).status, 413);
  });

  it("has each fault as often as it was set, for the method that it was set for", async () => {
    sandbox.faults.set({ kind: "status", status: 500 }, { times: 2, method: "PUT" });
    const statuses = [
      (await call("GET", "/ota/factories/acme/users/self/")).status,
      (await put(pki.device(UUID))).status,
      (await put(pki.device(UUID))).status,
      (await put(pki.device(UUID))).status,
    ];
    assert.deepEqual(statuses, [200, 500, 500, 201]);
  });

  it("has done nothing when it drops a request, and has done it when it drops the answer", async () => {
    sandbox.faults.set({ kind: "drop-before" });
    await assert.rejects(put(pki.device(UUID)));
    assert.equal(sandbox.devices.size, 0);
    sandbox.faults.set({ kind: "drop-after" });
    await assert.rejects(put(pki.device(UUID)));
    assert.equal(sandbox.devices.size, 1);
  });

  it("forgets its faults when they are cleared", async () => {
    sandbox.faults.set({ kind: "status", status: 500 }, { times: Number.POSITIVE_INFINITY });
    sandbox.faults.clear();
    assert.equal((await put(pki.device(UUID))).status, 201);
  });

  it("keeps devices and deny list over a restart where it has a file", async () => {
    const dir = await mkdtemp(join(tmpdir(), "airlock-foundries-"));
    const stateFile = join(dir, "state.json");
    const before = await start({ stateFile });
    before.deny("denied");
    const body = JSON.stringify({ "client.pem": pki.device(UUID, { isProduction: true }), name: "unit-1" });
    await fetch(`${before.url}/ota/devices/`, { method: "PUT", headers: { "OSF-TOKEN": SANDBOX_TOKEN }, body });
    await before.close();
    const after = await start({ stateFile });
    const device = after.devices.get(UUID);
    assert.deepEqual([device?.name, device?.isProduction], ["unit-1", true]);
    assert.deepEqual([...after.denied], ["denied"]);
    await after.close();
    await rm(dir, { recursive: true });
  });
});
