import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BundleSource, inspectMedium, type MediumProgress, writeBundles } from "../../src/transfer/media.ts";
import { MediumError, type MediumProblem } from "../../src/transfer/medium-error.ts";
import { type MediumFiles, nodeMediumFiles } from "../../src/transfer/medium-files.ts";

const NAME = "ALB_A7F3C2E1_00038";
const FILES: Readonly<Record<string, string>> = {
  "MANIFEST.JSON": "{}\n",
  "RECORDS.NDJSON": "line\n".repeat(40_000),
  "VERIFY.TXT": "how\r\n",
  SHA256SUMS: "sums\n",
  "SHA256SUMS.P7S": "signature\n",
};
const SILENT: MediumProgress = { phase: () => undefined, advance: () => undefined };

function makeSource(directory = NAME, files = FILES): BundleSource {
  return {
    directory,
    totalBytes: Object.values(files).reduce((sum, text) => sum + text.length, 0),
    async *read() {
      for (const [file, text] of Object.entries(files)) {
        for (let i = 0; i < text.length; i += 50_000) yield { file, chunk: Buffer.from(text.slice(i, i + 50_000)) };
      }
    },
  };
}

function isProblem(problem: MediumProblem) {
  return (error: unknown) => error instanceof MediumError && error.problem === problem;
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe("transfer/media", () => {
  let medium: string;

  beforeEach(async () => {
    medium = await mkdtemp(join(tmpdir(), "airlock-medium-"));
  });

  afterEach(() => rm(medium, { recursive: true, force: true }));

  async function readAll(directory = NAME): Promise<Record<string, string>> {
    const names = await readdir(join(medium, directory));
    const texts = await Promise.all(names.map((name) => readFile(join(medium, directory, name), "utf8")));
    return Object.fromEntries(names.map((name, i) => [name, texts[i] ?? ""]));
  }

  it("BUNDLE-SUMS writes every file, renames, and compares what the device gives back", async () => {
    const phases: string[] = [];
    const progress = { phase: (phase: string) => phases.push(phase), advance: () => undefined };
    const result = await writeBundles(nodeMediumFiles, medium, [makeSource()], progress);
    assert.deepEqual(await readAll(), FILES);
    assert.deepEqual(await readdir(medium), [NAME]);
    assert.deepEqual([result.written, result.alreadyThere], [[NAME], []]);
    assert.deepEqual(phases, ["writing", "flushing", "comparing"]);
  });

  it("BUNDLE-SUMS reads back past the page cache where the file system allows it, and says when it could not", async () => {
    const path = join(medium, "file");
    await writeFile(path, FILES["RECORDS.NDJSON"] ?? "");
    const back = await nodeMediumFiles.readBack(path);
    assert.equal(
      back.sha256,
      createHash("sha256")
        .update(FILES["RECORDS.NDJSON"] ?? "")
        .digest("hex"),
    );
    const cached: MediumFiles = {
      ...nodeMediumFiles,
      readBack: async (file) => ({ ...(await nodeMediumFiles.readBack(file)), isFromDevice: false }),
    };
    assert.equal((await writeBundles(cached, medium, [makeSource()], SILENT)).isReadFromDevice, false);
  });

  it("BUNDLE-OVERLAP finds the same bundle already there and changes nothing", async () => {
    await writeBundles(nodeMediumFiles, medium, [makeSource()], SILENT);
    const result = await writeBundles(nodeMediumFiles, medium, [makeSource()], SILENT);
    assert.deepEqual([result.written, result.alreadyThere], [[], [NAME]]);
  });

  it("BUNDLE-OVERLAP refuses a medium that holds another bundle under the same name, and leaves it as it is", async () => {
    const other = { ...FILES, "MANIFEST.JSON": "[]\n" };
    await writeBundles(nodeMediumFiles, medium, [makeSource(NAME, other)], SILENT);
    await assert.rejects(writeBundles(nodeMediumFiles, medium, [makeSource()], SILENT), isProblem("different"));
    assert.deepEqual(await readAll(), other);
  });

  it("BUNDLE-SUMS writes over a part that an interrupted run left", async () => {
    await mkdir(join(medium, `${NAME}.PART`));
    await writeFile(join(medium, `${NAME}.PART`, "RECORDS.NDJSON"), `${FILES["RECORDS.NDJSON"]}more than before`);
    await writeBundles(nodeMediumFiles, medium, [makeSource()], SILENT);
    assert.deepEqual(await readAll(), FILES);
    assert.deepEqual(await readdir(medium), [NAME]);
  });

  it("BUNDLE-SUMS leaves a part alone that holds anything foreign, and takes another name", async () => {
    const foreign = join(medium, `${NAME}.PART`);
    await mkdir(foreign);
    await writeFile(join(foreign, "holiday.jpg"), "x");
    const linked = join(medium, `${NAME}.PART1`);
    await mkdir(linked);
    await symlink("/etc/hostname", join(linked, "SHA256SUMS"));
    await writeBundles(nodeMediumFiles, medium, [makeSource()], SILENT);
    assert.deepEqual(await readAll(), FILES);
    assert.deepEqual(await readdir(foreign), ["holiday.jpg"]);
    assert.deepEqual(await readdir(linked), ["SHA256SUMS"]);
  });

  it("BUNDLE-WHO reports what else is there and never reads it", async () => {
    await mkdir(join(medium, "ALB_A7F3C2E1_00007"));
    await mkdir(join(medium, "ALB_A7F3C2E1_00008.PART"));
    await writeFile(join(medium, "holiday.jpg"), "x");
    await mkdir(join(medium, "System Volume Information"));
    const report = await inspectMedium(nodeMediumFiles, medium);
    assert.deepEqual(report.bundles, ["ALB_A7F3C2E1_00007"]);
    assert.deepEqual(report.parts, ["ALB_A7F3C2E1_00008.PART"]);
    assert.deepEqual(report.foreign, ["System Volume Information", "holiday.jpg"]);
    assert.ok(report.freeBytes > 0);
  });

  it("STORE-SPACE refuses a medium with too little room before writing a byte", async () => {
    const small: MediumFiles = { ...nodeMediumFiles, freeBytes: async () => 1000 };
    await assert.rejects(writeBundles(small, medium, [makeSource()], SILENT), isProblem("full"));
    assert.deepEqual(await readdir(medium), []);
  });

  const cases: [string, MediumProblem, (files: MediumFiles) => Partial<MediumFiles>][] = [
    ["is not there", "missing", () => ({ kindOf: async () => "missing" })],
    ["is a file", "not-a-directory", () => ({ kindOf: async () => "file" })],
    ["is read-only", "read-only", () => ({ checkWritable: () => Promise.reject(errno("EROFS")) })],
    ["fills up in spite of its promise", "full", (files) => ({ create: failingWrites(files, "ENOSPC") })],
    ["is pulled out while a file is written", "gone", (files) => ({ create: failingWrites(files, "EIO") })],
    ["is pulled out before the rename", "gone", () => ({ rename: () => Promise.reject(errno("ENODEV")) })],
    ["is pulled out before it is flushed", "gone", () => ({ syncDirectory: () => Promise.reject(errno("EIO")) })],
    ["is pulled out while it is compared", "gone", () => ({ readBack: () => Promise.reject(errno("ENOENT")) })],
    ["gives other bytes back", "damaged", () => ({ readBack: async () => ({ sha256: "0", isFromDevice: true }) })],
  ];
  for (const [what, problem, fault] of cases) {
    it(`BUNDLE-SUMS a medium that ${what} is refused in its own words, and a good one works afterwards`, async () => {
      const faulty = { ...nodeMediumFiles, ...fault(nodeMediumFiles) };
      await assert.rejects(writeBundles(faulty, medium, [makeSource()], SILENT), isProblem(problem));
      await writeBundles(nodeMediumFiles, medium, [makeSource()], SILENT);
      assert.deepEqual(await readAll(), FILES);
    });
  }

  it("BUNDLE-SUMS passes an error of the appliance on as it is, not as the medium's", async () => {
    const broken: BundleSource = {
      ...makeSource(),
      read: async function* () {
        yield { file: "MANIFEST.JSON", chunk: Buffer.from("{}\n") };
        throw new Error("connection lost");
      },
    };
    await assert.rejects(writeBundles(nodeMediumFiles, medium, [broken], SILENT), /connection lost/);
    assert.deepEqual(await readdir(medium), [`${NAME}.PART`]);
  });
});

function failingWrites(files: MediumFiles, code: string): MediumFiles["create"] {
  return async (path) => {
    const file = await files.create(path);
    return path.endsWith("RECORDS.NDJSON") ? { ...file, write: () => Promise.reject(errno(code)) } : file;
  };
}
