import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { levelHome } from "../../src/log/level-store.ts";
import { indexStoreContract } from "../contract/index-store-contract.ts";
import { MemoryHome } from "../support/memory-index.ts";

describe("log: index stores", () => {
  const roots: string[] = [];
  after(async () => {
    for (const root of roots) await rm(root, { recursive: true });
  });

  indexStoreContract("LevelDB on disk", async () => {
    const root = await mkdtemp(join(tmpdir(), "airlock-index-"));
    roots.push(root);
    return levelHome(join(root, "index"));
  });

  indexStoreContract("in memory, for tests", async () => new MemoryHome());
});
