import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { sharedSite } from "../support/shared-site.ts";

const VECTORS = new URL("../vectors/device-register/", import.meta.url);

async function post(body: string): Promise<{ status: number; answer: Record<string, string> }> {
  const { deviceApi } = await sharedSite();
  const response = await fetch(deviceApi, { method: "POST", headers: { "Content-type": "application/json" }, body });
  return { status: response.status, answer: (await response.json()) as Record<string, string> };
}

describe("the whole line: recorded boards through bridge, airlockd and the HSM", function () {
  this.timeout(60_000);

  for (const name of ["plain", "production", "restorable"]) {
    it(`answers the recorded request "${name}" with 201 and the recorded sota.toml, byte for byte`, async () => {
      const { status, answer } = await post(await readFile(new URL(`${name}.request.json`, VECTORS), "utf8"));
      assert.equal(status, 201, answer.message);
      assert.equal(answer["sota.toml"], await readFile(new URL(`${name}.sota.toml`, VECTORS), "utf8"));
      assert.deepEqual(Object.keys(answer).sort(), ["client.chained", "client.pem", "root.crt", "sota.toml"]);
    });
  }

  it("ISSUE-ONCE answers the HSM board, which shares uuid and CSR with another recording, with the stored certificate", async () => {
    const [plain, hsm] = await Promise.all(
      ["plain", "hsm"].map(async (name) => post(await readFile(new URL(`${name}.request.json`, VECTORS), "utf8"))),
    );
    assert.equal(hsm?.status, 201);
    assert.equal(hsm?.answer["client.pem"], plain?.answer["client.pem"]);
    assert.equal(hsm?.answer["sota.toml"], await readFile(new URL("hsm.sota.toml", VECTORS), "utf8"));
  });

  it('REQUEST-FIELD refuses the recorded request "group": a board does not choose its group', async () => {
    const { status, answer } = await post(await readFile(new URL("group.request.json", VECTORS), "utf8"));
    assert.equal(status, 400);
    assert.match(answer.message ?? "", /group/);
  });
});
