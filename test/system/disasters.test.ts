import { strict as assert } from "node:assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Disasters } from "../../src/sandbox/disasters.ts";
import { openSite } from "../../src/sandbox/site.ts";

describe("disasters", () => {
  it("STORE-HEAD a second box goes on from the backup, an old journal is refused, and no board loses its certificate", async function () {
    this.timeout(400_000);
    const dir = await mkdtemp(join(tmpdir(), "airlock-disasters-"));
    const said: string[] = [];
    try {
      await new Disasters(await openSite(join(dir, "site"), () => undefined), (step) => said.push(step)).rehearse();
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
    assert.equal(said.length, 6);
    assert.match(said[2] ?? "", /refused with exit 7, STORE-HEAD/);
    assert.match(said[4] ?? "", /503/);
  });
});
