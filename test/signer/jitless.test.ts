import { strict as assert } from "node:assert";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectSigner } from "../../src/hsm/signer-client.ts";
import { createSite } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort } from "../../src/sandbox/programs.ts";
import { sitePaths } from "../../src/sandbox/site-files.ts";
import { installCode } from "../support/installed-code.ts";

describe("the compiled signer without V8's compiler", function () {
  this.timeout(120_000);
  let dir: string;
  let signer: ChildProcess;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-jitless-"));
    const paths = sitePaths(join(dir, "site"));
    await createSite(paths, { appliance: await freePort(), bridge: 1, foundries: 1 }, () => undefined);
    await installCode(join(dir, "code"));
    const program = [join(dir, "code/dist/bin/airlock-signer.js"), "--config", paths.applianceToml];
    signer = spawn(process.execPath, ["--jitless", ...program], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...tokenEnvironment(paths.token) },
    });
    // Its log: the line that says that it answers.
    for await (const chunk of signer.stdout ?? []) if (String(chunk).includes("the signer answers")) break;
  });

  after(async () => {
    signer.kill("SIGTERM");
    if (signer.exitCode === null) await once(signer, "exit");
    await rm(dir, { recursive: true, force: true });
  });

  it("brings its token up and holds no memory, in itself or its token child, that it could write and run", async () => {
    const client = connectSigner(sitePaths(join(dir, "site")).root.concat("/run/signer.sock"));
    try {
      assert.equal((await client.status()).state, "ready");
    } finally {
      client.close();
    }
    const children = execFileSync("ps", ["--ppid", String(signer.pid), "-o", "pid="], { encoding: "utf8" });
    const pids = [String(signer.pid), ...children.trim().split(/\s+/)];
    assert.equal(pids.length, 2);
    for (const pid of pids) assert.doesNotMatch(await readFile(`/proc/${pid}/maps`, "utf8"), / rwxp /);
  });
});
