import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTars } from "../../src/cli/export/write-tar.ts";
import { UsageError } from "../../src/cli/run-tool.ts";
import type { BundleSource } from "../../src/transfer/media.ts";
import { MediumError } from "../../src/transfer/medium-error.ts";
import { encodeBundleTar } from "../../src/transfer/ustar.ts";

const FILES: Readonly<Record<string, string>> = {
  "MANIFEST.JSON": "{}\n",
  "RECORDS.NDJSON": "line\n".repeat(1_000),
  "VERIFY.TXT": "x".repeat(512),
};

function makeSource(number = 38, files = FILES): BundleSource {
  return {
    directory: `ALB_A7F3C2E1_000${number}`,
    totalBytes: 0,
    async *read() {
      for (const [file, text] of Object.entries(files)) {
        for (let i = 0; i < text.length; i += 700) yield { file, chunk: Buffer.from(text.slice(i, i + 700)) };
      }
    },
  };
}

async function encode(source: BundleSource): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of encodeBundleTar(source)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("transfer/ustar", () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-tar-"));
  });

  afterEach(() => rm(dir, { recursive: true, force: true }));

  it("BUNDLE-SUMS writes an archive that tar unpacks to the same files, with nobody's name and no time in it", async () => {
    const [path = ""] = await writeTars(join(dir, "out.tar"), [makeSource()]);
    execFileSync("tar", ["-xf", path, "-C", dir]);
    for (const [file, text] of Object.entries(FILES)) {
      assert.equal(await readFile(join(dir, "ALB_A7F3C2E1_00038", file), "utf8"), text);
    }
    const listing = execFileSync("tar", ["--numeric-owner", "--full-time", "-tvf", path], {
      encoding: "utf8",
      env: { TZ: "UTC" },
    });
    assert.match(listing, /^drwxr-xr-x 0\/0 +0 1970-01-01 00:00:00 ALB_A7F3C2E1_00038\/$/m);
    assert.match(listing, /^-rw-r--r-- 0\/0 +5000 1970-01-01 00:00:00 ALB_A7F3C2E1_00038\/RECORDS\.NDJSON$/m);
  });

  it("BUNDLE-OVERLAP gives the same bytes every time, in whole blocks", async () => {
    const bytes = await encode(makeSource());
    assert.ok(bytes.equals(await encode(makeSource())));
    assert.equal(bytes.length % 512, 0);
    assert.equal(bytes.toString("latin1", 257, 265), "ustar\x0000");
  });

  it("BUNDLE-COUNT puts several bundles into a directory, one archive each, and never two into one file", async () => {
    const paths = await writeTars(`${dir}/`, [makeSource(38), makeSource(39)]);
    assert.deepEqual(paths, [join(dir, "ALB_A7F3C2E1_00038.TAR"), join(dir, "ALB_A7F3C2E1_00039.TAR")]);
    assert.deepEqual((await readdir(dir)).sort(), ["ALB_A7F3C2E1_00038.TAR", "ALB_A7F3C2E1_00039.TAR"]);
    await assert.rejects(writeTars(join(dir, "both.tar"), [makeSource(38), makeSource(39)]), UsageError);
  });

  it("BUNDLE-OVERLAP finds the same archive there already, and leaves a file of that name alone that is another", async () => {
    const path = join(dir, "out.tar");
    await writeTars(path, [makeSource()]);
    await writeTars(path, [makeSource()]);
    await writeFile(path, "holiday");
    await assert.rejects(writeTars(path, [makeSource()]), MediumError);
    assert.equal(await readFile(path, "utf8"), "holiday");
  });
});
