import assert from "node:assert/strict";
import { randomUUID, X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openCustodyClient } from "../../src/rpc/custody-client.ts";
import { CUSTODIANS, STATION } from "../../src/sandbox/create-site.ts";
import type { Running } from "../../src/sandbox/programs.ts";
import { startBridge } from "../../src/sandbox/run-site.ts";
import { type BoardClient, boardBody, CPP, FIOUP } from "../bridge/board-clients.ts";
import { assertExplained } from "../bridge/line-guide.ts";
import { makeOrderedSite, type OrderedSite } from "../support/custody-programs.ts";

const [ALICE, BOB] = CUSTODIANS;

/** What the tests look at in a line of the journal. */
interface Line {
  readonly kind: string;
  readonly seq: number;
  readonly device?: { readonly uuid: string };
  readonly cert?: { readonly pem: string };
  readonly order?: string;
  readonly replaces?: number;
}

describe("boards behind a bridge on a line with work orders", function () {
  this.timeout(120_000);
  let site: OrderedSite;
  let bridge: Running;

  before(async () => {
    site = await makeOrderedSite();
    bridge = await startBridge(site.paths, site.ports.bridge);
  });

  after(async () => {
    await bridge.stop();
    await site.remove();
  });

  const url = () => `http://127.0.0.1:${site.ports.bridge}/sign`;

  async function post(client: BoardClient, body: string) {
    const response = await fetch(url(), { method: "POST", headers: client.headers, body });
    const { message = "", "client.pem": pem = "" } = (await response.json()) as Record<string, string>;
    if (response.status !== 201) assertExplained(response.status, message);
    return { status: response.status, message, pem };
  }

  async function open(order: string, ...terms: readonly string[]): Promise<void> {
    const dates = ["--station", STATION, "--from", "2020-01-01", "--until", "2089-12-31"];
    const asked = ["act", "propose", "order-open", "--order", order, ...terms, ...dates, "--json"];
    const { actId } = JSON.parse(await site.custody(ALICE, ...asked)) as { actId: string };
    await site.custody(BOB, "act", "approve", actId, "--yes");
  }

  async function orderOf(id: string) {
    const custodian = openCustodyClient(await site.identity(ALICE));
    const orders = await custodian.orders();
    custodian.close();
    return orders.find((order) => order.id === id);
  }

  /** The journal's own lines of one board, oldest first. */
  async function linesOf(uuid: string): Promise<Line[]> {
    const folder = join(site.paths.root, "store", "journal");
    const segments = (await readdir(folder)).filter((name) => name.endsWith(".ndjson")).sort();
    const texts = await Promise.all(segments.map((name) => readFile(join(folder, name), "utf8")));
    const lines = texts.join("").split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Line).filter((line) => line.device?.uuid === uuid);
  }

  it("ORDER-QUOTA without an open order a board gets 422 and a sentence, and nothing is recorded", async () => {
    const uuid = randomUUID();
    const answer = await post(CPP, boardBody(CPP, { uuid }));
    assert.equal(answer.status, 422);
    assert.deepEqual(await linesOf(uuid), []);
  });

  for (const client of [CPP, FIOUP]) {
    it(`ISSUE-ONCE ${client.name} that lost its key gets a new certificate under the order's replacement, once`, async () => {
      const uuid = randomUUID();
      const order = client === CPP ? "cpp" : "fioup";
      await open(order, "--count", "1", "--replacements", "1");
      const lost = boardBody(client, { uuid });
      const first = await post(client, lost);
      const again = await post(client, lost);
      const replaced = await post(client, boardBody(client, { uuid }));
      const third = await post(client, boardBody(client, { uuid }));
      const old = await post(client, lost);
      assert.deepEqual([first.status, replaced.status], [201, 201]);
      assert.equal(again.pem, first.pem);
      assert.notEqual(replaced.pem, first.pem);
      assert.equal(new X509Certificate(replaced.pem).subject, new X509Certificate(first.pem).subject);
      // One replacement was granted: neither a third key nor the first one is the board's again.
      assert.deepEqual([third.status, old.status], [409, 409]);
      const [original, successor, ...more] = await linesOf(uuid);
      assert.deepEqual(more, []);
      assert.equal(original?.replaces, undefined);
      assert.equal(successor?.replaces, original?.seq);
      assert.equal(successor?.order, order);
      assert.equal(
        new X509Certificate(successor?.cert?.pem ?? "").raw.compare(new X509Certificate(replaced.pem).raw),
        0,
      );
      const state = await orderOf(order);
      assert.deepEqual([state?.made, state?.replaced], [1n, 1n]);
      await site.custody(BOB, "act", "approve", await closing(order), "--yes");
    });
  }

  async function closing(order: string): Promise<string> {
    const asked = ["act", "propose", "order-close", "--order", order, "--json"];
    return (JSON.parse(await site.custody(ALICE, ...asked)) as { actId: string }).actId;
  }

  it("ISSUE-ONCE under an order without replacements a new key is refused with 409, and the first certificate stands", async () => {
    const uuid = randomUUID();
    await open("strict", "--count", "2");
    const body = boardBody(CPP, { uuid });
    const first = await post(CPP, body);
    const second = await post(CPP, boardBody(CPP, { uuid }));
    assert.deepEqual([first.status, second.status], [201, 409]);
    assert.equal((await post(CPP, body)).pem, first.pem);
    assert.equal((await linesOf(uuid)).length, 1);
  });
});
