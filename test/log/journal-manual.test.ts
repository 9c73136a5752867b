import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { LogSite } from "../support/log-site.ts";
import { copyOf, fingerprints, flipBit, makeStoredLog, removeCompiled, segmentsOf } from "./store-commands.ts";

const run = promisify(execFile);
const MANUAL = join(import.meta.dirname, "../../appliance/JOURNAL.md");

/** Runs the manual's commands, exactly as printed there, and returns what they print. */
async function followManual(site: LogSite): Promise<{ output: string; work: string }> {
  const text = await readFile(MANUAL, "utf8");
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands = ""]) => commands);
  const work = await mkdtemp(join(tmpdir(), "airlock-auditor-"));
  const env = { PATH: process.env.PATH, LC_ALL: "C", JOURNAL: site.journalDir, WORK: work };
  let output = "";
  for (const commands of blocks) {
    const { stdout } = await run("sh", ["-c", commands], { env }).catch((error: { stdout: string }) => error);
    output += stdout;
  }
  assert.equal(blocks.length, 5);
  return { output, work };
}

describe("appliance/JOURNAL.md: an auditor with sha256sum and sed", function () {
  this.timeout(120_000);
  let site: LogSite;

  before(async () => {
    site = await makeStoredLog();
  });
  after(async () => {
    await site.remove();
    await removeCompiled();
  });

  it("STORE-CHAIN is proven by the printed commands alone, which change nothing", async () => {
    const copy = await copyOf(site);
    const log = await copy.open();
    const { hash } = log.summary().head;
    await log.close();
    await appendFile((await segmentsOf(copy)).at(-1) ?? "", '{"v":1,"kind":"reg');
    const before = await fingerprints(copy);
    const { output, work } = await followManual(copy);
    assert.equal(output, "chain: OK\nnumbers: OK\n");
    assert.equal(await readFile(join(work, "head"), "utf8"), `${hash}\n`);
    assert.deepEqual(await fingerprints(copy), before);
    await rm(work, { recursive: true });
    await copy.remove();
  });

  const altered: readonly (readonly [string, (lines: string[]) => void, string])[] = [
    [
      "a changed character",
      (lines) => lines.splice(3, 1, (lines[3] ?? "").replace("imx8mm", "imx8mn")),
      "chain: FAILED\nnumbers: OK\n",
    ],
    ["a removed line", (lines) => lines.splice(3, 1), "chain: FAILED\nnumbers: FAILED\n"],
    [
      "two lines that changed places",
      (lines) => lines.splice(3, 2, lines[4] ?? "", lines[3] ?? ""),
      "chain: FAILED\nnumbers: FAILED\n",
    ],
    ["a line put in twice", (lines) => lines.splice(3, 0, lines[3] ?? ""), "chain: FAILED\nnumbers: FAILED\n"],
  ];
  for (const [what, alter, expected] of altered) {
    it(`STORE-CHAIN fails in the printed commands for ${what}`, async () => {
      const copy = await copyOf(site);
      const [path = ""] = await segmentsOf(copy);
      const lines = (await readFile(path, "latin1")).split("\n");
      alter(lines);
      await writeFile(path, lines.join("\n"), "latin1");
      const { output, work } = await followManual(copy);
      assert.equal(output, expected);
      await rm(work, { recursive: true });
      await copy.remove();
    });
  }

  it("STORE-HEAD shows in the head's hash when the last line was altered", async () => {
    const copy = await copyOf(site);
    await flipBit((await segmentsOf(copy)).at(-1) ?? "", 10, '"name":"other-40');
    const [whole, other] = [await followManual(site), await followManual(copy)];
    assert.equal(other.output, "chain: OK\nnumbers: OK\n");
    assert.notEqual(await readFile(join(other.work, "head"), "utf8"), await readFile(join(whole.work, "head"), "utf8"));
    for (const { work } of [whole, other]) await rm(work, { recursive: true });
    await copy.remove();
  });
});
