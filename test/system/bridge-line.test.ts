import assert from "node:assert/strict";
import { createPublicKey, randomUUID, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTransferClient } from "../../src/rpc/transfer-client.ts";
import { OPERATOR } from "../../src/sandbox/create-site.ts";
import { runTool } from "../../src/sandbox/programs.ts";
import { boardBody, CLIENTS } from "../bridge/board-clients.ts";
import { Line, type LineBoard } from "../bridge/line.ts";
import { OwnSite } from "../bridge/own-site.ts";
import { p256Key } from "../x509/make-csr.ts";

const BOARDS = 1_000;
const AT_ONCE = 24;

/** Every twentieth board repeats itself, and another twentieth loses its first answer. */
function makeBoards(): LineBoard[] {
  return Array.from({ length: BOARDS }, (_, n) => {
    const [uuid, key] = [randomUUID(), p256Key()];
    const client = CLIENTS[n % CLIENTS.length] ?? CLIENTS[0];
    assert.ok(client !== undefined);
    const body = boardBody(client, { uuid, key });
    const publicKey = String(createPublicKey(key.privateKey).export({ type: "spki", format: "pem" }));
    return { uuid, body, publicKey, repeats: n % 20 === 3, losesAnswer: n % 20 === 7 };
  });
}

describe("a line of a thousand boards", function () {
  this.timeout(180_000);
  let site: OwnSite;
  let dir: string;

  before(async () => {
    site = await OwnSite.shared();
    dir = await mkdtemp(join(tmpdir(), "airlock-line-"));
  });

  after(() => rm(dir, { recursive: true }));

  /** Registrations in the log, by uuid. */
  async function countRecords(): Promise<Map<string, number>> {
    const operator = openTransferClient(await site.identityOf(OPERATOR));
    const counts = new Map<string, number>();
    const all = { state: "", station: "", from: "", until: "", uuid: "", name: "" };
    for await (const { uuid } of operator.registrations(all)) counts.set(uuid, (counts.get(uuid) ?? 0) + 1);
    operator.close();
    return counts;
  }

  it("ISSUE-DURABLE ends with one certificate and one record each, over lost answers and two restarts of the appliance", async () => {
    const boards = makeBoards();
    const line = new Line(site.deviceApi, boards);
    const done = line.run(AT_ONCE);
    await Promise.race([line.untilAnswered(BOARDS * 0.3), done]);
    await site.stopDaemon();
    await site.startDaemon();
    await Promise.race([line.untilAnswered(BOARDS * 0.6), done]);
    await site.killDaemon();
    await site.startDaemon();
    await done;

    const issued = boards.map(({ uuid }) => line.certificates.get(uuid) ?? []);
    assert.ok(issued.every((answers, n) => answers.length === (boards[n]?.repeats ? 2 : 1)));
    assert.ok(issued.every((answers) => new Set(answers).size === 1));
    assert.ok(line.lostAnswers >= BOARDS / 20);
    for (const [n, [pem = ""]] of issued.entries()) {
      const certificate = new X509Certificate(pem);
      assert.equal(certificate.publicKey.export({ type: "spki", format: "pem" }), boards[n]?.publicKey);
      assert.ok(certificate.subject.split("\n").includes(`CN=${boards[n]?.uuid}`));
    }
    assert.equal(await verifyAll(issued.map(([pem = ""]) => pem)), BOARDS);
    const records = await countRecords();
    assert.ok(boards.every(({ uuid }) => records.get(uuid) === 1));
  });

  /** How many of them openssl accepts for a TLS client below the Factory root. */
  async function verifyAll(pems: readonly string[]): Promise<number> {
    const files = pems.map((_, n) => join(dir, `${n}.pem`));
    await Promise.all(files.map((file, n) => writeFile(file, pems[n] ?? "")));
    const root = join(site.paths.factory, "factory_ca.pem");
    const deviceCa = join(site.paths.ceremony, "device-ca.pem");
    const trust = ["-CAfile", root, "-untrusted", deviceCa, "-purpose", "sslclient", "-x509_strict"];
    const out = await runTool("openssl", ["verify", ...trust, ...files]);
    return out.split("\n").filter((text) => text.endsWith(".pem: OK")).length;
  }
});
