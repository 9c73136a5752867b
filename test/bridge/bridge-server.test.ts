import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { type BridgeLimits, type RunningBridge, startBridge } from "../../src/bridge/bridge-server.ts";
import type { RegistrationAnswer } from "../../src/bridge/registrar.ts";
import { Refusal } from "../../src/refusal.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { postRequest, readAnswers, sendRaw } from "./raw-http.ts";
import { ANSWER, RegistrarDouble } from "./registrar-double.ts";

const UUID = "5b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10";
const vectors = new URL("../vectors/device-register/", import.meta.url);
const recorded = (name: string) => readFileSync(new URL(`${name}.request.json`, vectors), "utf8");
const NO_PEM = "The text is not exactly one PEM block of the expected type: send the file as the tool wrote it.";
const plain: Record<string, unknown> = JSON.parse(recorded("plain"));
const body = (changed: object = {}) => JSON.stringify({ ...plain, ...changed });
const withOverrides = (overrides: unknown) => body({ overrides });

const lost = new Error("14 UNAVAILABLE: connect ECONNREFUSED 10.0.0.1:8443");
const away = () => new Refusal("SERVICE-STATE", "away", "The appliance does not answer now.", { cause: lost });

describe("bridge", () => {
  let bridge: RunningBridge;
  let registrar: RegistrarDouble;
  let log: Record<string, unknown>[];

  async function start(limits: Partial<BridgeLimits> = {}): Promise<RunningBridge> {
    log = [];
    const keep = (line: unknown) => void log.push(line as Record<string, unknown>);
    const logger = { info: keep, warn: keep } as Parameters<typeof startBridge>[0]["logger"];
    registrar = new RegistrarDouble();
    const patience = { pausesMs: [1, 1], withinMs: 2_000 };
    return await startBridge({ registrar, logger, host: "127.0.0.1", port: 0, limits, patience });
  }

  const url = (path = "/sign") => `http://127.0.0.1:${bridge.port}${path}`;

  async function post(text: string | Buffer, headers: Record<string, string> = {}) {
    const init = { method: "POST", headers: { "content-type": "application/json", ...headers } };
    const response = await fetch(url(), { ...init, body: typeof text === "string" ? text : new Uint8Array(text) });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as { message?: string },
    };
  }

  beforeEach(async () => {
    bridge = await start();
  });

  afterEach(() => bridge.close());

  describe("takes what the real clients send", () => {
    for (const name of ["plain", "hsm", "production", "restorable"]) {
      it(`answers 201 to the recorded ${name} request and passes on what it asks for`, async () => {
        const answer = await post(recorded(name), { "OSF-TOKEN": "na" });
        assert.equal(answer.status, 201);
        const asked = JSON.parse(recorded(name));
        const [request] = registrar.requests;
        assert.deepEqual(request, {
          uuid: asked.uuid,
          name: asked.name,
          hardwareId: asked["hardware-id"],
          csrDer: parsePem(asked.csr, "CERTIFICATE REQUEST"),
          sotaConfigDir: "/var/sota",
          overrides: Object.entries(asked.overrides as Record<string, Record<string, string>>).flatMap(
            ([section, keys]) => Object.entries(keys).map(([key, value]) => ({ section, key, value })),
          ),
        });
      });
    }

    it("answers with exactly four files, the chain being leaf, LF and device CA", async () => {
      const answer = await post(body());
      assert.deepEqual(answer.body, {
        "root.crt": ANSWER.factoryRootPem,
        "sota.toml": ANSWER.sotaToml,
        "client.pem": ANSWER.certificatePem,
        "client.chained": `${ANSWER.certificatePem}\n${ANSWER.issuerPem}`,
      });
      assert.equal(answer.headers.get("content-type"), "application/json");
    });

    const variants: [title: string, text: string][] = [
      ["the fake client's body without use-ostree-server", body({ "use-ostree-server": undefined })],
      ["a value without TOML quotes", withOverrides({ pacman: { compose_apps_root: "/var/sota/compose-apps" } })],
      ["odd braces in a value, which are plain text", withOverrides({ pacman: { tags: '"{x"}{' } })],
      ["null as a value", withOverrides({ storage: { tls_pkey_path: null } })],
      ["no overrides at all", body({ overrides: undefined })],
      ["null overrides", withOverrides(null)],
      ["an empty group", body({ group: "" })],
      ["no name and no directory", body({ name: undefined, "sota-config-dir": undefined })],
      ["an unknown name with a text", body({ "x-future": "1" })],
      ["__proto__ with a text", body().replace("{", '{"__proto__":"x",')],
      ["a CSR with CRLF line ends", body({ csr: String(plain.csr).replaceAll("\n", "\r\n") })],
    ];
    for (const [title, text] of variants) {
      it(`accepts ${title}`, async () => {
        assert.equal((await post(text)).status, 201);
      });
    }

    it("never acts on a name that it does not know", async () => {
      await post(body({ certificatePem: "x", alreadyIssued: "true" }));
      const [request] = registrar.requests;
      assert.deepEqual(Object.keys(request ?? {}).sort(), [
        "csrDer",
        "hardwareId",
        "name",
        "overrides",
        "sotaConfigDir",
        "uuid",
      ]);
    });

    it("takes a body in chunks, and a query after the path", async () => {
      const text = body();
      const chunks = [text.slice(0, 7), text.slice(7, 600), text.slice(600)];
      const head = "POST /sign?x=1 HTTP/1.1\r\nhost: s\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
      const parts = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`);
      const [answer] = await sendRaw(bridge.port, head, ...parts, "0\r\n\r\n");
      assert.equal(answer?.status, 201);
    });

    it("takes several requests on one connection", async () => {
      const answers = await sendRaw(bridge.port, postRequest(body(), ""), postRequest("{}", ""), postRequest(body()));
      assert.deepEqual(
        answers.map((answer) => answer.status),
        [201, 400, 201],
      );
    });

    it("waits for a body that is announced with Expect: 100-continue", async () => {
      const head = postRequest(body(), "connection: close\r\nexpect: 100-continue\r\n");
      const answers = await sendRaw(bridge.port, head);
      assert.deepEqual(
        answers.map((answer) => answer.status),
        [100, 201],
      );
    });
  });

  describe("refuses with 400 before the appliance is asked", () => {
    const csr = String(plain.csr);
    const hostile: [title: string, text: string | Buffer][] = [
      ["the recorded request for a group, which no device may choose", recorded("group")],
      ["a body that is empty", ""],
      ["a body that is an array", "[]"],
      ["a body that is a text", '"sign me"'],
      ["a body that is null", "null"],
      ["a body that is a number", "42"],
      ["a form", "uuid=5b1d&csr=x"],
      ["JSON that breaks off", body().slice(0, -1)],
      ["JSON with more after it", `${body()}{}`],
      ["ten thousand levels of objects", '{"overrides":'.repeat(4_000)],
      ["ten thousand levels of arrays", "[".repeat(10_000)],
      ["a section in a section", withOverrides({ a: { b: { c: "d" } } })],
      ["one name twice", body().replace("{", `{"uuid":"${UUID}",`)],
      ["one override twice", body().replace('"type":', '"tags":"x","type":')],
      ["bytes that are no UTF-8", Buffer.from(body({ name: "x\u00ff" }), "latin1")],
      ["half of a Unicode character", body().replace("intel", "\\udc00")],
      ["a number as a value", body({ name: 7 })],
      ["true as a value", body({ "use-ostree-server": true })],
      ["an object as a value", body({ name: { first: "x" } })],
      ["__proto__ with an object", body().replace("{", '{"__proto__":{"uuid":"x"},')],
      ["overrides that are a text", withOverrides("pacman")],
      ["overrides that are an array", withOverrides([["pacman"]])],
      ["a section that is a text", withOverrides({ pacman: "tags" })],
      ["a section that is null", withOverrides({ pacman: null })],
      ["a number as an override", withOverrides({ pacman: { tags: 1 } })],
      ["no uuid", body({ uuid: undefined })],
      ["an empty hardware id", body({ "hardware-id": "" })],
      ["no CSR", body({ csr: undefined })],
    ];
    const badCsr: [title: string, text: string][] = [
      ["a CSR that is no PEM", body({ csr: "MIIB" })],
      ["a CSR under another label", body({ csr: csr.replaceAll("CERTIFICATE REQUEST", "PRIVATE KEY") })],
      ["two CSRs", body({ csr: csr + csr })],
      ["a CSR with text before it", body({ csr: `subject=x\n${csr}` })],
      ["a CSR that is not base64", body({ csr: csr.replace("MII", "M!I") })],
      ["a CSR of 40 KB", body({ csr: csr.replace("MII", `${`${"A".repeat(64)}\n`.repeat(600)}MII`) })],
    ];
    const cases = [
      ...hostile.map((entry) => ["REQUEST-FIELD", ...entry] as const),
      ...badCsr.map((entry) => ["CSR-KEY", ...entry] as const),
    ];
    for (const [control, title, text] of cases) {
      it(`${control} refuses ${title}`, async () => {
        const answer = await post(text);
        assert.equal(answer.status, 400);
        assert.deepEqual(Object.keys(answer.body), ["message"]);
        assert.match(answer.body.message ?? "", /^[A-Z][\x20-\x7e]{20,}$/);
        assert.equal(log[0]?.control, control);
        assert.deepEqual(registrar.requests, []);
      });
    }

    it("says what to do about a group", async () => {
      assert.match((await post(recorded("group"))).body.message ?? "", /group/);
    });
  });

  describe("passes the appliance's refusals on", () => {
    const refusals: [refusal: Refusal, status: number, retryAfter: string | null][] = [
      [new Refusal("CSR-SUBJECT", "malformed", "The CSR's subject needs exactly one CN."), 400, null],
      [new Refusal("REQUEST-FIELD", "malformed", "The hardware id must be on one line."), 400, null],
      [new Refusal("ROLE-METHOD", "forbidden", "This station is revoked."), 403, null],
      [new Refusal("KEY-UNIQUE", "conflict", "This key belongs to another device."), 409, null],
      [new Refusal("ORDER-QUOTA", "needs-person", "The order is full."), 422, null],
      [new Refusal("CLOCK-SANE", "needs-person", "The clock is wrong."), 503, "60"],
      [new Refusal("STORE-SPACE", "exhausted", "The disk is full."), 503, "60"],
    ];
    for (const [refusal, status, retryAfter] of refusals) {
      it(`${refusal.control} ${refusal.code} becomes ${status} with the appliance's sentence, asked once`, async () => {
        registrar.next(refusal, refusal);
        const answer = await post(body());
        assert.equal(answer.status, status);
        assert.deepEqual(answer.body, { message: refusal.message });
        assert.equal(answer.headers.get("retry-after"), retryAfter);
        assert.equal(registrar.requests.length, 1);
        assert.equal(log[0]?.control, refusal.control);
      });
    }

    it("ISSUE-ONCE asks again with the very same request while the appliance is away", async () => {
      registrar.next(away(), away());
      assert.equal((await post(body())).status, 201);
      assert.equal(registrar.requests.length, 3);
      assert.equal(registrar.requests[1], registrar.requests[0]);
      assert.equal(registrar.requests[2], registrar.requests[0]);
    });

    it("gives up after three tries with 503, and shows no address to the board", async () => {
      registrar.next(away(), away(), away(), away());
      const answer = await post(body());
      assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "5"]);
      assert.equal(answer.body.message, "The appliance does not answer now.");
      assert.equal(registrar.requests.length, 3);
      assert.match(String(log[0]?.cause), /ECONNREFUSED/);
    });

    it("does not ask again after a refusal that follows an absence", async () => {
      registrar.next(away(), new Refusal("KEY-UNIQUE", "conflict", "This key belongs to another device."));
      assert.equal((await post(body())).status, 409);
      assert.equal(registrar.requests.length, 2);
    });

    it("answers 500 with a fixed sentence to an error that is no refusal", async () => {
      registrar.next(new TypeError("secret detail\n at file.ts:1"));
      const answer = await post(body());
      assert.equal(answer.status, 500);
      assert.doesNotMatch(answer.body.message ?? "", /secret/);
      assert.equal(log[0]?.outcome, "failed");
      assert.equal(registrar.requests.length, 1);
    });
  });

  describe("answers probes", () => {
    for (const method of ["HEAD", "GET"]) {
      it(`answers 200 to ${method} /sign while the appliance is away`, async () => {
        registrar.next(away(), away(), away());
        assert.equal((await post(body())).status, 503);
        const response = await fetch(url(), { method });
        assert.equal(response.status, 200);
        assert.equal(await response.text().then((text) => text.length > 0), method === "GET");
      });
    }

    it("answers 200 to GET /healthz", async () => {
      assert.equal((await fetch(url("/healthz"))).status, 200);
    });

    const others: [method: string, path: string, status: number, allow: string | null][] = [
      ["PUT", "/sign", 405, "GET, HEAD, POST"],
      ["DELETE", "/sign", 405, "GET, HEAD, POST"],
      ["OPTIONS", "/sign", 405, "GET, HEAD, POST"],
      ["POST", "/healthz", 405, "GET, HEAD"],
      ["GET", "/", 404, null],
      ["POST", "/sign/", 404, null],
      ["POST", "/SIGN", 404, null],
      ["POST", "//sign", 404, null],
      ["POST", "/%73ign", 404, null],
    ];
    for (const [method, path, status, allow] of others) {
      it(`answers ${status} to ${method} ${path}`, async () => {
        const response = await fetch(url(path), { method });
        assert.equal(response.status, status);
        assert.equal(response.headers.get("allow"), allow);
        assert.equal(typeof ((await response.json()) as { message: string }).message, "string");
        assert.deepEqual(registrar.requests, []);
      });
    }
  });

  describe("survives senders that are no clients", () => {
    it("answers 413 to an announced 10 MB before reading it", async () => {
      const socket = connect(bridge.port, "127.0.0.1");
      socket.write("POST /sign HTTP/1.1\r\nhost: s\r\ncontent-length: 10485760\r\n\r\n");
      const [chunk] = (await once(socket, "data")) as [Buffer];
      assert.match(String(chunk), /^HTTP\/1\.1 413 /);
      socket.destroy();
    });

    it("lets a client that sends all of 10 MB read its 413", async () => {
      const answer = await post(Buffer.alloc(10 * 1024 * 1024, 0x20));
      assert.equal(answer.status, 413);
      assert.equal(typeof answer.body.message, "string");
    });

    it("answers 413 to chunks that never end, and cuts the sender", async () => {
      bridge = await restart({ lingerMs: 1_000 });
      const socket = connect(bridge.port, "127.0.0.1");
      socket.write("POST /sign HTTP/1.1\r\nhost: s\r\ntransfer-encoding: chunked\r\n\r\n");
      const chunk = `1000\r\n${" ".repeat(4_096)}\r\n`;
      const more = () => socket.writable && socket.write(chunk, () => setImmediate(more));
      more();
      const [answer] = await readAnswers(socket);
      assert.equal(answer?.status, 413);
    });

    it("takes a body of exactly the limit and refuses one byte more", async () => {
      const padded = (size: number) => body().padEnd(size, " ");
      assert.equal((await post(padded(65_536))).status, 201);
      assert.equal((await post(padded(65_537))).status, 413);
    });

    it("answers 408 to a body that does not arrive in time, and cuts a sender that goes on", async () => {
      bridge = await restart({ bodyTimeoutMs: 100, lingerMs: 1_000 });
      const socket = connect(bridge.port, "127.0.0.1");
      socket.write("POST /sign HTTP/1.1\r\nhost: s\r\ncontent-length: 1000\r\n\r\n{");
      const drip = setInterval(() => socket.write(" "), 10);
      const [answer] = await readAnswers(socket);
      clearInterval(drip);
      assert.equal(answer?.status, 408);
      assert.deepEqual(registrar.requests, []);
    });

    it("answers 408 to a header that does not arrive in time", async () => {
      bridge = await restart({ headersTimeoutMs: 100 });
      const [answer] = await sendRaw(bridge.port, "POST /sign HTTP/1.1\r\nhost:");
      assert.equal(answer?.status, 408);
      assert.match(answer?.body ?? "", /^\{"message":/);
    });

    const malformed: [title: string, bytes: string, status: number][] = [
      ["bytes that are no HTTP", "\u0016\u0003\u0001\u0000\u00a5\u0001\r\n\r\n", 400],
      ["a header of 9 KB", `GET /sign HTTP/1.1\r\nhost: s\r\nx: ${"y".repeat(9_000)}\r\n\r\n`, 431],
      ["two lengths", "POST /sign HTTP/1.1\r\nhost: s\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ", 400],
      [
        "a length beside chunks",
        "POST /sign HTTP/1.1\r\nhost: s\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
      ],
      ["a negative length", "POST /sign HTTP/1.1\r\nhost: s\r\ncontent-length: -1\r\n\r\n", 400],
      ["a chunk of a wrong size", "POST /sign HTTP/1.1\r\nhost: s\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400],
      ["no host", "POST /sign HTTP/1.1\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", 400],
    ];
    for (const [title, bytes, status] of malformed) {
      it(`answers ${status} to ${title}`, async () => {
        const answers = await sendRaw(bridge.port, Buffer.from(bytes, "latin1"));
        assert.equal(answers[0]?.status, status);
        assert.deepEqual(registrar.requests, []);
      });
    }

    it("registers nothing when a body ends before its length", async () => {
      const socket = connect(bridge.port, "127.0.0.1");
      socket.end(`POST /sign HTTP/1.1\r\nhost: s\r\ncontent-length: 5000\r\n\r\n${body()}`);
      await readAnswers(socket);
      assert.equal((await fetch(url("/healthz"))).status, 200);
      assert.deepEqual(registrar.requests, []);
    });

    it("takes no byte beyond a body's length for part of it", async () => {
      const answers = await sendRaw(bridge.port, postRequest(body(), ""), "trailing\r\n\r\n");
      assert.deepEqual(
        answers.map((answer) => [answer.status, answer.headers.get("connection")]),
        [[201, "close"]],
      );
      assert.equal(registrar.requests.length, 1);
    });

    it("lives on when a board hangs up while the appliance signs", async () => {
      const signing = Promise.withResolvers<RegistrationAnswer>();
      registrar.next(signing.promise);
      const socket = connect(bridge.port, "127.0.0.1");
      socket.write(postRequest(body()));
      await until(() => registrar.requests.length === 1);
      socket.resetAndDestroy();
      signing.resolve(ANSWER);
      await until(() => log.length === 1);
      assert.equal((await post(body())).status, 201);
    });

    it("tells boards above its limit to come again and takes them when there is room", async () => {
      bridge = await restart({ maxInFlight: 1 });
      const signing = Promise.withResolvers<RegistrationAnswer>();
      registrar.next(signing.promise);
      const first = post(body());
      await until(() => registrar.requests.length === 1);
      const second = await post(body());
      assert.deepEqual([second.status, second.headers.get("retry-after")], [503, "2"]);
      signing.resolve(ANSWER);
      assert.equal((await first).status, 201);
      assert.equal((await post(body())).status, 201);
    });

    it("drops connections of one address above that address's limit, and takes others", async () => {
      bridge = await restart({ maxConnectionsPerAddress: 1 });
      const held = connect(bridge.port, "127.0.0.1");
      await once(held, "connect");
      held.write("GET /healthz HTTP/1.1\r\nhost: s\r\n\r\n");
      await once(held, "data");
      const probe = "GET /healthz HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n";
      assert.deepEqual(await sendRaw(bridge.port, probe), []);
      const other = connect({ port: bridge.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
      other.write(probe);
      assert.equal((await readAnswers(other))[0]?.status, 200);
      held.destroy();
      await once(held, "close");
      let answers = await sendRaw(bridge.port, probe);
      while (answers.length === 0) answers = await sendRaw(bridge.port, probe);
      assert.equal(answers[0]?.status, 200);
    });

    it("cuts a connection that never sends a byte", async () => {
      bridge = await restart({ headersTimeoutMs: 100 });
      const silent = connect(bridge.port, "127.0.0.1");
      const [answer] = await readAnswers(silent);
      assert.equal(answer?.status, 408);
    });

    it("cuts a connection on which nothing moves although a registration is under way", async () => {
      bridge = await restart({ silenceTimeoutMs: 100 });
      registrar.next(new Promise(() => undefined));
      assert.deepEqual(await sendRaw(bridge.port, postRequest(body())), []);
      assert.equal(registrar.requests.length, 1);
    });

    it("drops connections above its limit and keeps those that it has", async () => {
      bridge = await restart({ maxConnections: 1 });
      const held = connect(bridge.port, "127.0.0.1");
      await once(held, "connect");
      held.write("GET /healthz HTTP/1.1\r\nhost: s\r\n\r\n");
      await once(held, "data");
      assert.deepEqual(await sendRaw(bridge.port, "GET /healthz HTTP/1.1\r\nhost: s\r\n\r\n"), []);
      held.write("GET /healthz HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n");
      const [answer] = await readAnswers(held);
      assert.equal(answer?.status, 200);
    });
  });

  describe("logs and stops", () => {
    it("SECRET-SILENT writes one line for each request, without CSR and certificate", async () => {
      await post(body());
      registrar.next({ ...ANSWER, alreadyIssued: true });
      await post(body());
      await post(body({ uuid: "not\na uuid" }));
      await post(body({ csr: "MIIB" }));
      await fetch(url(), { method: "HEAD" });
      await fetch(url("/nothing"));
      await fetch(url("/healthz"));
      await sendRaw(bridge.port, "no HTTP\r\n\r\n");
      const seen = log.map(({ durationMs, ...line }) => [typeof durationMs, line]);
      const peer = "127.0.0.1";
      assert.deepEqual(seen, [
        ["number", { outcome: "registered", uuid: UUID, sequence: "42", status: 201, peer }],
        ["number", { outcome: "repeated", uuid: UUID, sequence: "42", status: 201, peer }],
        ["number", { outcome: "registered", uuid: "", sequence: "42", status: 201, peer }],
        ["number", { outcome: "refused", uuid: UUID, control: "CSR-KEY", cause: NO_PEM, status: 400, peer }],
        ["number", { outcome: "probe", uuid: "", status: 200, peer }],
        ["number", { outcome: "refused", uuid: "", control: "REQUEST-FIELD", status: 404, peer }],
        ["undefined", { outcome: "refused", uuid: "", control: "REQUEST-FIELD", status: 400, peer }],
      ]);
      assert.doesNotMatch(JSON.stringify(log), /BEGIN|MII/);
    });

    it("ISSUE-ONCE gives a board its certificate with a warning of the appliance, and puts the warning into the log", async () => {
      registrar.next({ ...ANSWER, warning: "The Factory denies this uuid." });
      assert.equal((await post(body())).status, 201);
      const [{ durationMs: _, ...line } = {}] = log;
      const seen = { outcome: "registered", uuid: UUID, sequence: "42", warning: "The Factory denies this uuid." };
      assert.deepEqual(line, { ...seen, status: 201, peer: "127.0.0.1" });
    });

    it("lets a registration under way finish, takes no other, then stops", async () => {
      const signing = Promise.withResolvers<RegistrationAnswer>();
      registrar.next(signing.promise);
      const first = post(body());
      await until(() => registrar.requests.length === 1);
      const closed = bridge.close();
      await assert.rejects(fetch(url("/healthz")));
      signing.resolve(ANSWER);
      const answer = await first;
      assert.deepEqual([answer.status, answer.headers.get("connection")], [201, "close"]);
      await closed;
      bridge = await start();
    });

    it("stops in time although a registration does not end", async () => {
      bridge = await restart({ closeTimeoutMs: 50 });
      registrar.next(new Promise(() => undefined));
      const first = assert.rejects(post(body()));
      await until(() => registrar.requests.length === 1);
      await bridge.close();
      await first;
      bridge = await start();
    });
  });

  async function restart(limits: Partial<BridgeLimits>): Promise<RunningBridge> {
    await bridge.close();
    return await start(limits);
  }
});

/** Polls at the event loop's own pace; mocha's timeout bounds it. */
async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
}
