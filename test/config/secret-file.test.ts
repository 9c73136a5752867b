import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSecretFile } from "../../src/config/secret-file.ts";
import { Refusal } from "../../src/refusal.ts";

const SECRET = "neither in the error nor anywhere else";

describe("files that hold a secret", () => {
  let directory: string;
  let path: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "airlock-secret-"));
    path = join(directory, "station.key");
    await writeFile(path, SECRET);
  });

  after(() => rm(directory, { recursive: true, force: true }));

  for (const mode of [0o400, 0o600, 0o700]) {
    it(`SECRET-SILENT reads one of mode ${mode.toString(8)}, which its owner alone can read`, async () => {
      await chmod(path, mode);
      assert.equal(await readSecretFile(path), SECRET);
    });
  }

  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666]) {
    it(`SECRET-SILENT refuses to read one of mode ${mode.toString(8)}, and says what to type`, async () => {
      await chmod(path, mode);
      await assert.rejects(readSecretFile(path), (error) => {
        assert.ok(error instanceof Refusal && error.control === "SECRET-SILENT");
        assert.ok(error.message.endsWith(`Run: chmod 600 ${path}`) && !error.message.includes(SECRET));
        return true;
      });
    });
  }
});
