import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BundleSource, type MediumProgress, writeBundles } from "../../src/transfer/media.ts";
import { MediumError, type MediumProblem } from "../../src/transfer/medium-error.ts";
import { nodeMediumFiles } from "../../src/transfer/medium-files.ts";
import { type LoopMedium, type MediumKind, makeLoopMedium } from "./loop-medium.ts";

const SILENT: MediumProgress = { phase: () => undefined, advance: () => undefined };
const MARK = "record that is searched for in the image ";
const RECORDS = `${MARK}${"x".repeat(100)}\n`.repeat(20_000);
const SMALL_FILES = {
  "MANIFEST.JSON": "{}\n",
  "VERIFY.TXT": "how\r\n",
  SHA256SUMS: "sums\n",
  "SHA256SUMS.P7S": "sig\n",
};

function makeSource(number: number, onRecords: () => void = () => undefined): BundleSource {
  return {
    directory: `ALB_A7F3C2E1_000${number}`,
    totalBytes: RECORDS.length,
    async *read() {
      yield { file: "MANIFEST.JSON", chunk: Buffer.from(SMALL_FILES["MANIFEST.JSON"]) };
      for (let i = 0; i < RECORDS.length; i += 65_536) {
        if (i > RECORDS.length / 2) onRecords();
        yield { file: "RECORDS.NDJSON", chunk: Buffer.from(RECORDS.slice(i, i + 65_536)) };
      }
      for (const file of ["VERIFY.TXT", "SHA256SUMS", "SHA256SUMS.P7S"] as const)
        yield { file, chunk: Buffer.from(SMALL_FILES[file]) };
    },
  };
}

function isProblem(problem: MediumProblem) {
  return (error: unknown) => error instanceof MediumError && error.problem === problem;
}

const writeTo = (medium: LoopMedium, ...bundles: BundleSource[]) =>
  writeBundles(nodeMediumFiles, medium.path, bundles, SILENT);

/** What writing to a medium promises: a title, and the check of it on a fresh medium that is not mounted yet. */
export const MEDIUM_PROMISES: readonly { readonly title: string; check(medium: LoopMedium): Promise<void> }[] = [
  {
    title: "BUNDLE-SUMS what was called safe to remove is there after it is plugged in again",
    check: async (medium) => {
      medium.mount();
      const result = await writeTo(medium, makeSource(38), makeSource(39));
      assert.equal(result.isReadFromDevice, true);
      medium.unmount();
      medium.mount("ro");
      for (const number of [38, 39]) {
        const path = join(medium.path, `ALB_A7F3C2E1_000${number}`, "RECORDS.NDJSON");
        assert.equal(await readFile(path, "utf8"), RECORDS);
      }
    },
  },
  {
    title:
      "BUNDLE-SUMS what was written leaves a clean file system, and programs with code of their own read its bytes",
    check: async (medium) => {
      medium.mount();
      await writeTo(medium, makeSource(38));
      medium.unmount();
      medium.check();
      const read = (name: string) => medium.readApart(`/ALB_A7F3C2E1_00038/${name}`).toString();
      assert.equal(read("RECORDS.NDJSON"), RECORDS);
      for (const [name, text] of Object.entries(SMALL_FILES)) assert.equal(read(name), text);
    },
  },
  {
    title:
      "BUNDLE-SUMS reads back from the device: a byte that changed there is seen, though the page cache has it right",
    check: async (medium) => {
      medium.mount();
      await writeTo(medium, makeSource(38));
      const path = join(medium.path, "ALB_A7F3C2E1_00038", "RECORDS.NDJSON");
      assert.equal(await readFile(path, "utf8"), RECORDS);
      const image = await open(medium.image, "r+");
      try {
        const at = (await image.readFile()).indexOf(MARK);
        assert.ok(at > 0);
        await image.write(Buffer.from("R"), 0, 1, at);
      } finally {
        await image.close();
      }
      const back = await nodeMediumFiles.readBack(path);
      assert.equal(back.isFromDevice, true);
      assert.notEqual(back.sha256, createHash("sha256").update(RECORDS).digest("hex"));
      assert.equal(await readFile(path, "utf8"), RECORDS);
      await assert.rejects(writeTo(medium, makeSource(38)), isProblem("different"));
    },
  },
  {
    title:
      "STORE-SPACE a full medium is refused before a byte is written, or when it fills up meanwhile; old bundles stay",
    check: async (medium) => {
      medium.mount();
      await writeTo(medium, makeSource(38));
      const free = await nodeMediumFiles.freeBytes(medium.path);
      await writeFile(join(medium.path, "FILM.MKV"), Buffer.alloc(free - RECORDS.length / 2));
      await assert.rejects(writeTo(medium, makeSource(39)), isProblem("full"));
      assert.equal((await readdir(medium.path)).includes("ALB_A7F3C2E1_00039.PART"), false);
      const promising = { ...nodeMediumFiles, freeBytes: async () => Number.MAX_SAFE_INTEGER };
      await assert.rejects(writeBundles(promising, medium.path, [makeSource(39)], SILENT), isProblem("full"));
      const names = await readdir(medium.path);
      assert.ok(names.includes("ALB_A7F3C2E1_00038") && !names.includes("ALB_A7F3C2E1_00039"));
    },
  },
  {
    title: "BUNDLE-SUMS a read-only medium is refused before anything is written",
    check: async (medium) => {
      medium.mount("ro");
      await assert.rejects(writeTo(medium, makeSource(38)), isProblem("read-only"));
    },
  },
  {
    title: "BUNDLE-SUMS a medium whose device is taken away under the mount is gone, though its directory still stands",
    check: async (medium) => {
      medium.mount();
      let isPulled = false;
      const pull = () => {
        if (!isPulled) medium.pull();
        isPulled = true;
      };
      await assert.rejects(writeTo(medium, makeSource(38, pull), makeSource(39)), isProblem("gone"));
    },
  },
  {
    title: "BUNDLE-SUMS a medium pulled away while it is written is gone, and nothing lands in the directory below it",
    check: async (medium) => {
      medium.mount();
      let isPulled = false;
      const pull = () => {
        if (!isPulled) medium.unmount("-l");
        isPulled = true;
      };
      await assert.rejects(writeTo(medium, makeSource(38, pull), makeSource(39)), isProblem("gone"));
      assert.deepEqual(await readdir(medium.path), []);
    },
  },
  {
    title: "BUNDLE-SUMS a medium pulled away between two bundles is gone, and never called safe to remove",
    check: async (medium) => {
      medium.mount();
      const second: BundleSource = {
        ...makeSource(39),
        async *read() {
          yield* makeSource(39).read();
          medium.unmount("-l");
        },
      };
      await assert.rejects(writeTo(medium, makeSource(38), second), isProblem("gone"));
      assert.deepEqual(await readdir(medium.path), []);
    },
  },
];

/** The promises, on a real file system of this kind, mounted by the kernel that runs this. */
export function describeRealMedium(kind: MediumKind): void {
  describe(`transfer/media on a real ${kind}`, function () {
    this.timeout(60_000);
    let medium: LoopMedium;

    beforeEach(async () => {
      medium = await makeLoopMedium(kind, 48 * 1024 * 1024);
    });

    afterEach(() => medium?.remove());

    for (const { title, check } of MEDIUM_PROMISES) it(title, () => check(medium));
  });
}
