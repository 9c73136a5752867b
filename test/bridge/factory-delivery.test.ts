import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { type RunningBridge, startBridge } from "../../src/bridge/bridge-server.ts";
import type { Delivery } from "../../src/bridge/delivery.ts";
import { createFactoryDelivery } from "../../src/bridge/factory-delivery.ts";
import { createFoundriesApi, type FoundriesApiClient } from "../../src/foundries/api-client.ts";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { makeKey, makePki, type SoftwareKey } from "../support/software-pki.ts";
import { RecordsDouble } from "./delivery-doubles.ts";
import { ANSWER, RegistrarDouble } from "./registrar-double.ts";

const plain: Record<string, unknown> = JSON.parse(
  readFileSync(new URL("../vectors/device-register/plain.request.json", import.meta.url), "utf8"),
);
const READ_ONLY = "reader";
const CREATE_ONLY = "creator";

describe("a partially detached station", () => {
  const pki = makePki();
  let sandbox: FoundriesApiSandbox;
  let api: FoundriesApiClient;
  let delivery: Delivery;
  let records: RecordsDouble;
  let registrar: RegistrarDouble;
  let bridge: RunningBridge;
  let clock: { ms: number };
  let log: Record<string, unknown>[];

  beforeEach(async () => {
    sandbox = await startFoundriesApi({
      factory: "acme",
      deviceCasPem: pki.deviceCa.pem,
      groups: ["line-3", "fallback"],
      tokens: {
        [SANDBOX_TOKEN]: ["devices:create", "devices:read", "devices:read-update"],
        [READ_ONLY]: ["devices:read"],
        [CREATE_ONLY]: ["devices:create"],
      },
    });
    await start(SANDBOX_TOKEN);
  });

  afterEach(async () => {
    await stop();
    await sandbox.close();
  });

  async function start(token: string, group?: string): Promise<void> {
    log = [];
    const keep = (line: unknown) => void log.push(line as Record<string, unknown>);
    const logger = { info: keep, warn: keep } as Parameters<typeof startBridge>[0]["logger"];
    records = new RecordsDouble();
    registrar = new RegistrarDouble();
    clock = { ms: 0 };
    api = createFoundriesApi({ baseUrl: sandbox.url, factory: "acme", token });
    const patience = { pausesMs: [1, 1], withinMs: 5_000 };
    const parts = { api, records, logger, patience, nowMs: () => clock.ms };
    delivery = createFactoryDelivery({ ...parts, ...(group === undefined ? {} : { group }) });
    bridge = await startBridge({ registrar, delivery, logger, host: "127.0.0.1", port: 0 });
  }

  async function stop(): Promise<void> {
    await bridge.close();
    await delivery.close();
    api.close();
  }

  async function restart(token: string, group?: string): Promise<void> {
    await stop();
    await start(token, group);
  }

  /** One POST of a board to which the appliance answers with a certificate over this key. */
  async function post(uuid: string, key: SoftwareKey, fields: object = {}) {
    registrar.next({ ...ANSWER, certificatePem: encodePem(pki.issueDevice({ uuid, key }).der, "CERTIFICATE") });
    const body = JSON.stringify({ ...plain, uuid, ...fields });
    const response = await fetch(`http://127.0.0.1:${bridge.port}/sign`, { method: "POST", body });
    const answer = (await response.json()) as Record<string, string>;
    return { status: response.status, message: answer.message, retryAfter: response.headers.get("retry-after") };
  }

  const puts = () => sandbox.requests.filter((request) => request.startsWith("PUT")).length;
  const outcomes = () => records.reports.map(({ outcome, httpStatus }) => [outcome, httpStatus]);

  it("creates the device before it answers, and notes it on the appliance", async () => {
    const uuid = randomUUID();
    assert.equal((await post(uuid, makeKey())).status, 201);
    assert.equal(sandbox.devices.get(uuid)?.name, uuid);
    await delivery.close();
    assert.deepEqual(records.reports, [{ uuid, outcome: "created", httpStatus: 201 }]);
    assert.equal(log[0]?.delivered, "created");
  });

  it("names and groups the device after the appliance's record, never after the board's words", async () => {
    await restart(SANDBOX_TOKEN, "fallback");
    const [first, second] = [randomUUID(), randomUUID()];
    records.devices.set(first, { name: "line3-unit-7", group: "line-3" });
    await post(first, makeKey(), { name: "chosen-by-board" });
    await post(second, makeKey());
    const seen = [first, second].map((uuid) => sandbox.devices.get(uuid));
    assert.deepEqual(
      seen.map((device) => [device?.name, device?.group]),
      [
        ["line3-unit-7", "line-3"],
        [second, "fallback"],
      ],
    );
  });

  it("creates nothing when the answer cannot be rendered", async () => {
    const broken = { ...ANSWER };
    Object.defineProperty(broken, "sotaToml", {
      enumerable: true,
      get: () => {
        throw new Error("no sota.toml");
      },
    });
    registrar.next(broken);
    const body = JSON.stringify({ ...plain, uuid: randomUUID() });
    const response = await fetch(`http://127.0.0.1:${bridge.port}/sign`, { method: "POST", body });
    assert.deepEqual([response.status, puts()], [500, 0]);
  });

  it("ISSUE-ONCE answers 201 to a repetition whose device the Factory has under this very key", async () => {
    const [uuid, key] = [randomUUID(), makeKey()];
    await post(uuid, key);
    const created = sandbox.devices.get(uuid)?.certificatePem;
    assert.equal((await post(uuid, key)).status, 201);
    assert.equal(sandbox.devices.get(uuid)?.certificatePem, created);
    await delivery.close();
    assert.deepEqual(outcomes(), [
      ["created", 201],
      ["already-there", 409],
    ]);
  });

  it("corrects name and group of a device that created itself first, and answers although it may not", async () => {
    const [uuid, key] = [randomUUID(), makeKey()];
    await post(uuid, key);
    records.devices.set(uuid, { name: "line3-unit-8", group: "line-3" });
    sandbox.faults.set({ kind: "status", status: 403 }, { method: "PATCH" });
    assert.equal((await post(uuid, key)).status, 201);
    assert.equal(sandbox.devices.get(uuid)?.name, uuid);
    assert.equal((await post(uuid, key)).status, 201);
    assert.deepEqual([sandbox.devices.get(uuid)?.name, sandbox.devices.get(uuid)?.group], ["line3-unit-8", "line-3"]);
  });

  it("ISSUE-ONCE answers 409 where the Factory has the uuid under another key, and leaves that device alone", async () => {
    const uuid = randomUUID();
    await post(uuid, makeKey());
    const before = sandbox.devices.get(uuid);
    const answer = await post(uuid, makeKey());
    assert.equal(answer.status, 409);
    assert.match(answer.message ?? "", /already with another key.*operator/);
    assert.equal(sandbox.devices.get(uuid), before);
    await delivery.close();
    assert.deepEqual(outcomes().at(-1), ["failed", 409]);
  });

  it("answers 409 where the name is another device's, or the uuid is denied", async () => {
    const [denied, named] = [randomUUID(), randomUUID()];
    await post(named, makeKey());
    records.devices.set(denied, { name: named });
    const taken = await post(denied, makeKey());
    records.devices.clear();
    sandbox.deny(denied);
    const refused = await post(denied, makeKey());
    assert.deepEqual([taken.status, refused.status], [409, 409]);
    assert.match(taken.message ?? "", /name.*deny list.*operator/);
    assert.equal(refused.message, taken.message);
    assert.equal(sandbox.devices.has(denied), false);
  });

  for (const fault of ["drop-after", "cut-answer"] as const) {
    it(`recognises its own device by its key when the API's answer was lost (${fault})`, async () => {
      const uuid = randomUUID();
      sandbox.faults.set({ kind: fault }, { method: "PUT" });
      assert.equal((await post(uuid, makeKey())).status, 201);
      await delivery.close();
      assert.deepEqual(outcomes(), [["created", 409]]);
    });
  }

  it("tries again after 5xx, then answers 503, and the board's next try succeeds with the same certificate", async () => {
    const [uuid, key] = [randomUUID(), makeKey()];
    sandbox.faults.set({ kind: "status", status: 502 }, { times: 3, method: "PUT" });
    const first = await post(uuid, key);
    assert.deepEqual([first.status, first.retryAfter, puts()], [503, "5", 3]);
    assert.match(first.message ?? "", /Foundries API does not answer now/);
    assert.doesNotMatch(first.message ?? "", /502/);
    assert.match(String(log.at(-1)?.cause), /502/);
    assert.equal(log.at(-1)?.sequence, "42");
    clock.ms += 1_000;
    assert.equal((await post(uuid, key)).status, 201);
    await delivery.close();
    assert.deepEqual(outcomes(), [
      ["failed", 502],
      ["created", 201],
    ]);
  });

  it("has nothing signed while it knows that the API is away, and asks it once for boards that come together", async () => {
    sandbox.faults.set({ kind: "drop-before" }, { times: 3, method: "PUT" });
    await post(randomUUID(), makeKey());
    const asked = registrar.requests.length;
    const early = await post(randomUUID(), makeKey());
    clock.ms += 1_000;
    sandbox.faults.set({ kind: "drop-before" }, { method: "GET" });
    const both = await Promise.all([post(randomUUID(), makeKey()), post(randomUUID(), makeKey())]);
    assert.deepEqual(
      [early, ...both].map(({ status }) => status),
      [503, 503, 503],
    );
    assert.equal(registrar.requests.length, asked);
    assert.equal(sandbox.requests.filter((request) => request.includes("users/self")).length, 2);
  });

  it("asks the API first when it has not heard of it for a while", async () => {
    await post(randomUUID(), makeKey());
    clock.ms += 10_000;
    sandbox.faults.set({ kind: "status", status: 503 }, { method: "GET" });
    assert.equal((await post(randomUUID(), makeKey())).status, 503);
    assert.equal(registrar.requests.length, 1);
  });

  it("leaves an API alone that asks for it, as long as it asks", async () => {
    sandbox.faults.set({ kind: "status", status: 429, retryAfter: "30" }, { method: "PUT" });
    assert.equal((await post(randomUUID(), makeKey())).status, 503);
    const seen = sandbox.requests.length;
    clock.ms += 29_999;
    assert.equal((await post(randomUUID(), makeKey())).status, 503);
    assert.equal(sandbox.requests.length, seen);
    clock.ms += 1;
    assert.equal((await post(randomUUID(), makeKey())).status, 201);
  });

  const tokens: [title: string, token: string][] = [
    ["the API does not know", "unknown"],
    ["may not create devices", READ_ONLY],
  ];
  for (const [title, token] of tokens) {
    it(`SECRET-SILENT has nothing signed with a token that ${title}, and shows it to nobody`, async () => {
      await restart(token);
      const answer = await post(randomUUID(), makeKey());
      assert.deepEqual([answer.status, answer.retryAfter, registrar.requests.length], [503, "60", 0]);
      assert.match(answer.message ?? "", /devices:create/);
      assert.ok(!JSON.stringify([answer, log]).includes(`"${token}"`));
    });
  }

  it("asks first again once the token was refused for a device", async () => {
    sandbox.faults.set({ kind: "status", status: 401 }, { method: "PUT" });
    assert.equal((await post(randomUUID(), makeKey())).status, 503);
    sandbox.faults.set({ kind: "status", status: 401 }, { method: "GET" });
    assert.equal((await post(randomUUID(), makeKey())).status, 503);
    assert.equal(registrar.requests.length, 1);
    await delivery.close();
    assert.deepEqual(outcomes(), [["failed", 401]]);
  });

  it("answers 503 to a conflict that its token may not look into", async () => {
    await restart(CREATE_ONLY);
    const [uuid, key] = [randomUUID(), makeKey()];
    assert.equal((await post(uuid, key)).status, 201);
    const answer = await post(uuid, key);
    assert.equal(answer.status, 503);
    assert.match(answer.message ?? "", /devices:read,/);
  });

  it("answers 422 where the API refuses the device itself, with the API's words in the log alone", async () => {
    const uuid = randomUUID();
    records.devices.set(uuid, { name: uuid, group: "no-such-group" });
    const answer = await post(uuid, makeKey());
    assert.equal(answer.status, 422);
    assert.match(answer.message ?? "", /operator.*device CA.*group/);
    assert.match(String(log.at(-1)?.cause), /No such device group/);
  });

  describe("notes", () => {
    it("notes the same outcome of a board once, however often it asks", async () => {
      const [uuid, key] = [randomUUID(), makeKey()];
      for (let time = 0; time < 4; time++) await post(uuid, key);
      await delivery.close();
      assert.deepEqual(outcomes(), [
        ["created", 201],
        ["already-there", 409],
      ]);
    });

    it("answers the board although the note is lost, and notes it at the next occasion", async () => {
      const [uuid, key] = [randomUUID(), makeKey()];
      await post(uuid, key);
      await delivery.close();
      records.nextFailure = new Error("away");
      assert.equal((await post(uuid, key)).status, 201);
      await delivery.close();
      assert.deepEqual(outcomes(), [["created", 201]]);
      await post(uuid, key);
      await delivery.close();
      assert.deepEqual(outcomes().at(-1), ["already-there", 409]);
    });

    it("answers before the note is durable, and waits for it when it closes", async () => {
      const hold = Promise.withResolvers<void>();
      records.held = hold.promise;
      assert.equal((await post(randomUUID(), makeKey())).status, 201);
      let isClosed = false;
      const closed = delivery.close().then(() => {
        isClosed = true;
      });
      // Everything that does not wait for the note has happened after this.
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(isClosed, false);
      hold.resolve();
      await closed;
      assert.deepEqual(outcomes(), [["created", 201]]);
    });
  });
});
