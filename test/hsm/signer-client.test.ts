import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeFrame, FrameReader } from "../../src/hsm/frames.ts";
import type { SignerAnswer, SignerRequest } from "../../src/hsm/messages.ts";
import { type CeremonySigner, connectSigner } from "../../src/hsm/signer-client.ts";

const HEAD = { seq: 1, hash: "1".repeat(64) };
const AWAY = { control: "SERVICE-STATE", code: "away" };

/** A signer that answers as it is told. */
class SignerDouble {
  readonly requests: SignerRequest[] = [];
  readonly sockets = new Set<Socket>();
  onRequest: (request: SignerRequest, answer: (text: string) => void) => void = () => undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => {
      this.sockets.add(socket);
      const reader = new FrameReader();
      socket.on("error", () => undefined);
      socket.on("close", () => this.sockets.delete(socket));
      socket.on("data", (chunk) => {
        for (const text of reader.push(chunk)) {
          const request = JSON.parse(text) as SignerRequest;
          this.requests.push(request);
          this.onRequest(request, (answer) => socket.write(encodeFrame(answer)));
        }
      });
    });
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(path, resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe("the signer as airlockd sees it", () => {
  let directory: string;
  let path: string;
  let double: SignerDouble;
  let signer: CeremonySigner;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "airlock-client-"));
    path = join(directory, "signer.sock");
    double = new SignerDouble();
    signer = connectSigner(path);
  });

  afterEach(async () => {
    signer.close();
    await double.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("SERVICE-STATE is away while nobody listens, and answers as soon as somebody does", async () => {
    await assert.rejects(signer.noteHead(HEAD), AWAY);
    await double.listen(path);
    double.onRequest = ({ id }, answer) => answer(JSON.stringify({ id, ok: true, ledger: 5 }));
    assert.equal(await signer.noteHead(HEAD), 5);
  });

  it("SIGN-LEDGER gives each answer to its own question, in whatever order they come", async () => {
    await double.listen(path);
    const waiting: (() => void)[] = [];
    double.onRequest = (request, answer) => {
      const tbs = request.op === "sign" ? request.tbs : "";
      waiting.unshift(() => answer(JSON.stringify({ id: request.id, ok: true, signature: tbs, ledger: request.id })));
      if (waiting.length === 20) for (const give of waiting) give();
    };
    const tbs = Array.from({ length: 20 }, (_, i) => Buffer.from(`tbs ${i}`));
    const signed = await Promise.all(tbs.map((bytes) => signer.sign("device-ca", bytes, HEAD)));
    assert.deepEqual(
      signed.map(({ signature }) => signature),
      tbs,
    );
  });

  it("SIGN-LEDGER is away for all that was under way when the connection broke, and connects again by itself", async () => {
    await double.listen(path);
    const all = Promise.withResolvers<void>();
    double.onRequest = () => {
      if (double.requests.length === 3) all.resolve();
    };
    const lost = [1, 2, 3].map((n) => signer.sign("device-ca", Buffer.of(n), HEAD));
    const settled = Promise.allSettled(lost);
    await all.promise;
    for (const socket of double.sockets) socket.destroy();
    for (const answer of await settled) {
      assert.equal(answer.status, "rejected");
      assert.deepEqual({ control: answer.reason.control, code: answer.reason.code }, AWAY);
    }
    double.onRequest = ({ id }, answer) => answer(JSON.stringify({ id, ok: true, ledger: 9 }));
    assert.equal(await signer.noteHead(HEAD), 9);
  });

  it("SIGNER-GATE passes the signer's own refusal on, and unknown names as if it were away", async () => {
    await double.listen(path);
    const failures: Partial<SignerAnswer>[] = [
      { ok: false, control: "SIGNER-GATE", code: "malformed", message: "No." },
      { ok: false, control: "NO-SUCH-CONTROL", code: "no-such-code", message: "Hm." },
    ];
    double.onRequest = ({ id }, answer) => answer(JSON.stringify({ id, ...failures.shift() }));
    const refused = { control: "SIGNER-GATE", code: "malformed", message: "No." };
    await assert.rejects(signer.sign("device-ca", Buffer.of(1), HEAD), refused);
    await assert.rejects(signer.sign("device-ca", Buffer.of(1), HEAD), AWAY);
  });

  for (const [what, text] of [
    ["text that is no JSON", "{"],
    ["an answer to another kind of question", '{"id":1,"ok":true,"lines":[]}'],
  ] as const) {
    it(`SIGN-LEDGER takes ${what} for no signature`, async () => {
      await double.listen(path);
      double.onRequest = (_, answer) => answer(text);
      await assert.rejects(signer.sign("device-ca", Buffer.of(1), HEAD), AWAY);
    });
  }

  it("SIGNER-GATE sends no request that the signer would hang up on", async () => {
    await double.listen(path);
    const refused = { control: "SIGNER-GATE", code: "malformed" };
    await assert.rejects(signer.sign("device-ca", Buffer.alloc(64 * 1024), HEAD), refused);
    assert.deepEqual(double.requests, []);
  });

  it("SERVICE-STATE refuses by name when too much waits, and takes more once something is answered", async () => {
    await double.listen(path);
    const first = Promise.withResolvers<() => void>();
    double.onRequest = ({ id }, answer) => first.resolve(() => answer(JSON.stringify({ id, ok: true, ledger: id })));
    const waiting = Array.from({ length: 4_096 }, () => signer.noteHead(HEAD));
    const rest = Promise.allSettled(waiting.slice(1));
    await assert.rejects(signer.noteHead(HEAD), { control: "SERVICE-STATE", code: "exhausted" });
    (await first.promise)();
    await waiting[0];
    const more = signer.noteHead(HEAD);
    signer.close();
    await assert.rejects(more, AWAY);
    assert.ok((await rest).every(({ status }) => status === "rejected"));
  });

  it("SIGN-LEDGER reads the ledger page by page to its end", async () => {
    await double.listen(path);
    const lines = Array.from({ length: 250 }, (_, i) => `line ${i + 1}`);
    double.onRequest = (request, answer) => {
      const after = request.op === "read-ledger" ? request.after : 0;
      answer(JSON.stringify({ id: request.id, ok: true, lines: lines.slice(after, after + 100) }));
    };
    const read: string[] = [];
    for await (const line of signer.readLedger(40)) read.push(line);
    assert.deepEqual(read, lines.slice(40));
    assert.equal(double.requests.length, 4);
  });
});
