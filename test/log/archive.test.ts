import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, chmod, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { archiveSegments } from "../../src/log/archive-segments.ts";
import { registration } from "../support/log-drafts.ts";
import type { LogSite } from "../support/log-site.ts";
import {
  airlockd,
  copyOf,
  fingerprints,
  flipBit,
  makeStoredLog,
  removeCompiled,
  segmentsOf,
} from "./store-commands.ts";

/** sha256sum's own word on an archive. */
function judge(directory: string): string {
  return execFileSync("sha256sum", ["-c", "--strict", "SHA256SUMS"], { cwd: directory, encoding: "utf8" });
}

describe("archiving the journal's finished segments", function () {
  this.timeout(120_000);
  let site: LogSite;

  beforeEach(async () => {
    site = await makeStoredLog();
  });
  afterEach(() => site.remove());
  after(removeCompiled);

  const at = (of: LogSite) => join(of.root, "archive");

  it("STORE-CHAIN copies them byte for byte and read-only, so that sha256sum and sed can check them", async () => {
    const before = await fingerprints(site);
    const segments = await segmentsOf(site);
    const { code, stdout } = await airlockd(site, "--archive", at(site));
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`Archived: records 1 to \\d+ in ${segments.length - 1} segments`));
    assert.deepEqual(await fingerprints(site), before);
    for (const path of segments.slice(0, -1)) {
      const copy = join(at(site), basename(path));
      assert.ok((await readFile(copy)).equals(await readFile(path)));
      assert.equal((await stat(copy)).mode & 0o777, 0o400);
    }
    assert.equal(judge(at(site)).match(/: OK$/gm)?.length, segments.length - 1);
    assert.equal((await airlockd(site, "--archive", at(site))).code, 3);
    const numbers = execFileSync("sh", ["-c", `cat 0*.ndjson | sed -n 's/.*"seq":\\([0-9]*\\),"prev".*/\\1/p'`], {
      cwd: at(site),
      encoding: "utf8",
    });
    const count = numbers.split("\n").length - 1;
    assert.equal(numbers, Array.from({ length: count }, (_, index) => `${index + 1}\n`).join(""));
  });

  it("STORE-CHAIN adds what was finished since, while the log is open", async () => {
    const first = await archiveSegments(site.journalDir, at(site));
    const log = await site.open({ segmentBytes: 9_000 });
    for (let n = 600; n < 612; n++) await log.append(registration(n));
    const second = await archiveSegments(site.journalDir, at(site));
    await log.append(registration(700));
    await log.close();
    assert.ok(second.copied.length >= 1 && second.through > first.through);
    assert.equal(second.compared, first.copied.length);
    assert.equal(judge(at(site)).match(/: OK$/gm)?.length, first.copied.length + second.copied.length);
    await rm(join(at(site), "SHA256SUMS.part"), { force: true });
    assert.deepEqual(
      (await readdir(at(site))).filter((name) => name.endsWith(".part")),
      [],
    );
  });

  it("STORE-CHAIN refuses an altered journal, an altered copy, and another log's archive", async () => {
    await archiveSegments(site.journalDir, at(site));
    const [one = "", two = ""] = (await segmentsOf(site)).map((path) => join(at(site), basename(path)));
    const altered = { control: "STORE-CHAIN", code: "inconsistent", message: /is not the journal's/ };
    for (const damage of [
      () => flipBit(one, 500),
      () => appendFile(two, "x"),
      () => rm(one, { force: true }),
      async () => {
        const sums = join(at(site), "SHA256SUMS");
        await writeFile(
          sums,
          (await readFile(sums, "latin1")).replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
        );
      },
    ]) {
      await chmod(one, 0o600);
      await damage();
      await assert.rejects(archiveSegments(site.journalDir, at(site)), altered);
      await rm(at(site), { recursive: true });
      await archiveSegments(site.journalDir, at(site));
    }
    const other = await makeStoredLog();
    await assert.rejects(archiveSegments(other.journalDir, at(site)), altered);
    await other.remove();
    const copy = await copyOf(site);
    await flipBit((await segmentsOf(copy))[1] ?? "", 200);
    const { code, stderr } = await airlockd(copy, "--archive", join(copy.root, "new"));
    assert.equal(code, 5);
    assert.match(stderr, /does not follow the one before it\. Nothing more was archived/);
    await copy.remove();
  });
});
