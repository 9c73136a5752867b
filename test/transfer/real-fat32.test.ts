import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeRealMedium, MEDIUM_PROMISES } from "../support/describe-real-medium.ts";
import { runInOwnKernel } from "../support/own-kernel.ts";

interface MochaReport {
  readonly passes: readonly { readonly title: string }[];
  readonly failures: readonly { readonly title: string; readonly err: { readonly stack?: string } }[];
}

/** The same checks, run by mocha under a kernel that can mount FAT32: the vfat of Linux, on a block device. */
async function runApart(): Promise<MochaReport> {
  const dir = await mkdtemp(join(tmpdir(), "airlock-fat32-"));
  try {
    const report = join(dir, "report.json");
    const how = ["--no-config", "--reporter", "json", "--reporter-option", `output=${report}`];
    const mocha = [process.execPath, "node_modules/mocha/bin/mocha.js", ...how, "test/transfer/real-fat32.ts"];
    const { output } = await runInOwnKernel(mocha, 180_000);
    const json = await readFile(report, "utf8").catch(() => assert.fail(`mocha wrote no report: ${output}`));
    return JSON.parse(json);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function describeApart(): void {
  describe("transfer/media on a real vfat, under a kernel of its own", function () {
    this.timeout(200_000);
    let report: MochaReport;

    before(async () => {
      report = await runApart();
    });

    for (const { title } of MEDIUM_PROMISES) {
      it(title, () => {
        assert.equal(report.failures.find((failure) => failure.title === title)?.err.stack, undefined);
        assert.ok(report.passes.some((pass) => pass.title === title));
      });
    }
  });
}

if (readFileSync("/proc/filesystems", "utf8").includes("\tvfat\n")) describeRealMedium("vfat");
else describeApart();
