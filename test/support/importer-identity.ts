import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIdentity, type Identity } from "../../src/importer/identity.ts";

/** An importer's identity whose directory is gone again. */
export async function makeIdentity(id = "EU1"): Promise<Identity> {
  const state = await mkdtemp(join(tmpdir(), "airlock-importer-"));
  try {
    return await createIdentity(state, id, { nowMs: () => Date.now() });
  } finally {
    await rm(state, { recursive: true, force: true });
  }
}
