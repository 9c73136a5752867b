import assert from "node:assert/strict";
import { type IndexHome, indexKey } from "../../src/log/index-store.ts";

/** What every index must do, whatever it is made of. `make` gives a home where nothing is yet. */
export function indexStoreContract(name: string, make: () => Promise<IndexHome>): void {
  const put = (key: string, value: string) => ({ type: "put", key, value }) as const;

  describe(`index store contract: ${name}`, () => {
    it("STORE-CHAIN opens nothing that was not made, and makes nothing where something is", async () => {
      const home = await make();
      assert.equal(await home.state(), "absent");
      await assert.rejects(home.open());
      assert.equal(await home.state(), "absent");
      await (await home.create()).close();
      assert.equal(await home.state(), "present");
      await assert.rejects(home.create());
      await (await home.open()).close();
    });

    it("STORE-CHAIN keeps what was written over closing and opening", async () => {
      const home = await make();
      const store = await home.create();
      await store.write([put("a", "1"), put("b", "2"), put(indexKey.line(7), "x".repeat(16_384))]);
      await store.write([put("a", "3"), { type: "del", key: "b" }, { type: "del", key: "never" }]);
      const check = (opened: typeof store) => {
        assert.deepEqual([opened.get("a"), opened.get("b"), opened.get("never")], ["3", undefined, undefined]);
        assert.equal(opened.get(indexKey.line(7))?.length, 16_384);
      };
      check(store);
      await store.close();
      const again = await home.open();
      check(again);
      await again.close();
    });

    it("STORE-CHAIN lets one at a time have it open", async () => {
      const home = await make();
      const store = await home.create();
      await assert.rejects(home.open());
      await store.close();
      await (await home.open()).close();
    });

    it("STORE-CHAIN refuses reading and writing once closed", async () => {
      const store = await (await make()).create();
      await store.close();
      assert.throws(() => store.get("a"));
      await assert.rejects(store.write([put("a", "1")]));
    });

    it("STORE-CHAIN starts empty again after being set aside", async () => {
      const home = await make();
      for (let round = 0; round < 3; round++) {
        const store = await home.create();
        assert.equal(store.get("a"), undefined);
        await store.write([put("a", String(round))]);
        await store.close();
        await home.setAside();
        assert.equal(await home.state(), "absent");
      }
    });
  });
}
