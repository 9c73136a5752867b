import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Findings } from "./locking-token.ts";

const PROGRAM = fileURLToPath(new URL("./locking-token.ts", import.meta.url));
// Nothing of it is seen by the machine's own opencryptoki, and all of its processes end with the first.
const APART = ["--mount", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child"];

describe("a token that locks its PIN after three wrong tries (opencryptoki)", function () {
  this.timeout(120_000);
  let directory: string;
  let findings: Findings;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "airlock-locking-"));
    const { stdout } = await promisify(execFile)("unshare", [...APART, process.execPath, PROGRAM, directory]);
    findings = JSON.parse(stdout) as Findings;
  });

  after(() => rm(directory, { recursive: true, force: true }));

  it("KEY-CAPTIVE loses one try to a wrong PIN over five starts, and says what to do", () => {
    assert.match(findings.wrong.flags, /user PIN count low/);
    assert.match(findings.wrong.reason, /refused the PIN; it is not presented again by itself/);
  });

  it("KEY-CAPTIVE presents not even the right PIN when one try is left", () => {
    assert.match(findings.finalTry.flags, /final user PIN try/);
    assert.match(findings.finalTry.reason, /one last try of its PIN: a custodian must log in by hand first/);
  });

  it("KEY-CAPTIVE says that a locked PIN is for the vendor's tool", () => {
    assert.match(findings.locked.flags, /user PIN locked/);
    assert.match(findings.locked.reason, /has locked its PIN: a custodian must reset it with the vendor's tool/);
  });
});
