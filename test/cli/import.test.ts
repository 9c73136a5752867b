import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readBundleDirectory } from "../../src/importer/read-bundle-directory.ts";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { createReceiptApplier } from "../../src/transfer/apply-receipt.ts";
import { BUNDLE_FILES, VERIFY_COMMAND } from "../../src/transfer/bundle-files.ts";
import { type AirgapSite, LOG_ID, makeSite, OPERATOR } from "../support/airgap-site.ts";
import { forgeBundle } from "../support/forged-bundle.ts";
import { makePki, type SoftwarePki } from "../support/software-pki.ts";

const PROGRAM = fileURLToPath(new URL("../../src/bin/airlock-import.ts", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe("airlock-import", function () {
  this.timeout(120_000);
  let site: AirgapSite;
  let factory: FoundriesApiSandbox;
  let root: string;
  let medium: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "airlock-import-"));
    medium = join(root, "medium");
    await mkdir(medium);
    site = await makeSite();
    const { pki } = site;
    factory = await startFoundriesApi({ factory: pki.factory, deviceCasPem: pki.deviceCa.pem });
    await writeFile(join(root, "device-ca.pem"), pki.deviceCa.pem);
    await writeFile(join(root, "root.pem"), pki.root.pem);
    await writeFile(join(root, "token"), SANDBOX_TOKEN, { mode: 0o600 });
  });

  afterEach(async () => {
    await factory.close();
    await rm(root, { recursive: true, force: true });
  });

  function start(...args: string[]): ChildProcess {
    const { PATH, HOME } = process.env;
    const all = [PROGRAM, ...args, "--state", join(root, "state")];
    return spawn(process.execPath, all, { env: { PATH, HOME }, stdio: ["ignore", "pipe", "pipe"] });
  }

  async function run(...args: string[]): Promise<Ended> {
    const child = start(...args);
    const texts = { out: "", err: "" };
    child.stdout?.on("data", (chunk) => {
      texts.out += chunk;
    });
    child.stderr?.on("data", (chunk) => {
      texts.err += chunk;
    });
    const [code] = await once(child, "close");
    return { code, ...texts };
  }

  const apiArgs = () => ["--api", factory.url, "--token-file", join(root, "token"), "--yes"];

  async function initAndTrust(): Promise<void> {
    assert.equal((await run("init", "--id", "EU1")).code, 0);
    const names = ["--appliance", site.pki.appliance, "--factory", site.pki.factory, "--log", LOG_ID];
    const files = ["--device-ca", join(root, "device-ca.pem"), "--factory-root", join(root, "root.pem")];
    assert.equal((await run("trust", ...names, ...files, "--fingerprint", site.pki.deviceCa.sha256)).code, 0);
    const pem = await readFile(join(root, "state", "importer.pem"), "utf8");
    await site.log.append({
      kind: "act",
      body: { act: "trust-importer", importer: { id: "EU1", sha256: "0".repeat(64), pem }, by: "ceremony" },
    });
  }

  async function exportBundle(devices: number): Promise<string> {
    for (let i = 0; i < devices; i++) await site.register();
    return site.writeBundle(await site.seal(devices === 0), medium);
  }

  it("BUNDLE-SIG RECEIPT-SIG the whole crossing: init, trust, verify, plan, run, and the receipt back", async () => {
    await initAndTrust();
    await exportBundle(12);
    const verified = await run("verify", medium);
    assert.equal(verified.code, 0, verified.out + verified.err);
    assert.match(verified.out, /BUNDLE-SIG +ok/);
    assert.match(verified.out, /BUNDLE-LEDGER +ok +1 +13 signatures, 13 accounted for/);
    assert.match(verified.out, /BUNDLE-GAP +ok +none/);
    const planned = await run("plan", medium);
    assert.match(planned.out, /12 devices to deliver to factory "acme"/);
    assert.equal(factory.devices.size, 0);
    const ran = await run("run", medium, ...apiArgs(), "--receipt-to", join(root, "back"));
    assert.equal(ran.code, 0, ran.out + ran.err);
    assert.match(ran.out, /delivered 12 +already there 0 +rejected 0 +pending 0/);
    assert.match(ran.out, /Next: print .*receipt-1\.svg[\s\S]*or carry .*ALR_A7F3C2E1_EU1_00001 back/);
    assert.equal(factory.devices.size, 12);
    const receipt = await readFile(join(root, "back", "ALR_A7F3C2E1_EU1_00001"));
    assert.equal((await createReceiptApplier(site.log).apply(receipt, OPERATOR)).delivered, 12);
  });

  it("BUNDLE-OVERLAP a second run of the same medium is nothing to do, exit 3, with the same receipt", async () => {
    await initAndTrust();
    await exportBundle(2);
    await run("run", medium, ...apiArgs(), "--receipt-to", root);
    const before = await readFile(join(root, "ALR_A7F3C2E1_EU1_00001"));
    const again = await run("run", medium, ...apiArgs(), "--receipt-to", root);
    assert.equal(again.code, 3, again.out + again.err);
    assert.match(again.out, /already imported/);
    assert.ok((await readFile(join(root, "ALR_A7F3C2E1_EU1_00001"))).equals(before));
    assert.deepEqual(
      (await readdir(root)).filter((name) => name.startsWith("ALR_")),
      ["ALR_A7F3C2E1_EU1_00001"],
    );
  });

  it("ISSUE-ONCE killed at any moment and started again without the medium, each device is created once", async () => {
    await initAndTrust();
    await exportBundle(30);
    factory.faults.set({ kind: "latency", ms: 20 }, { times: 1_000, method: "PUT" });
    for (const arrivals of [1, 6, 13, 21]) {
      const child = start("run", ...(arrivals === 1 ? [medium] : []), ...apiArgs());
      const closed = once(child, "close");
      while (factory.requests.filter((one) => one.startsWith("PUT")).length < arrivals && child.exitCode === null) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      child.kill("SIGKILL");
      await closed;
      await rm(medium, { recursive: true, force: true });
    }
    factory.faults.clear();
    const last = await run("run", ...apiArgs(), "--receipt-to", root);
    assert.equal(last.code, 0, last.out + last.err);
    assert.equal(factory.devices.size, 30);
    const { rejected, delivered } = await createReceiptApplier(site.log).apply(
      await readFile(join(root, "ALR_A7F3C2E1_EU1_00001")),
      OPERATOR,
    );
    assert.deepEqual([delivered, rejected], [30, []]);
  });

  it("BUNDLE-GAP exit 6, delivered all the same", async () => {
    await initAndTrust();
    const missing = await exportBundle(1);
    await exportBundle(1);
    await rm(missing, { recursive: true });
    const ran = await run("run", medium, ...apiArgs());
    assert.equal(ran.code, 6, ran.out + ran.err);
    assert.match(ran.out, /bundle 1 \(records 1 to \d+\) has not arrived/);
    assert.equal(factory.devices.size, 1);
  });

  it("BUNDLE-JOIN exit 7 at a fork: nothing is delivered and the evidence is kept", async () => {
    await initAndTrust();
    const fork = site.fork();
    await exportBundle(1);
    await run("run", medium, ...apiArgs());
    await rm(medium, { recursive: true });
    for (let i = 0; i < 2; i++) await fork.register();
    await fork.writeBundle(await fork.seal(), medium);
    const alarm = await run("run", medium, ...apiArgs());
    assert.equal(alarm.code, 7, alarm.out + alarm.err);
    assert.match(alarm.out, /ALARM: bundle 1 contradicts history already imported/);
    const evidence = /Evidence is in (\S+)/.exec(alarm.out)?.[1] ?? "";
    assert.equal((await readdir(evidence)).length, 1);
    assert.equal(factory.devices.size, 1);
  });

  it("BUNDLE-SUMS exit 5 at a damaged bundle, while the good one is delivered", async () => {
    await initAndTrust();
    await exportBundle(1);
    await writeFile(join(await exportBundle(1), "RECORDS.NDJSON"), "{}\n");
    const ran = await run("run", medium, ...apiArgs());
    assert.equal(ran.code, 5, ran.out + ran.err);
    assert.match(ran.out, /REFUSED ALB_A7F3C2E1_00002: RECORDS.NDJSON does not match the signed list/);
    assert.equal(factory.devices.size, 1);
  });

  it("BUNDLE-WHO exit 4 for an appliance that nobody vouched for", async () => {
    assert.equal((await run("init", "--id", "EU1")).code, 0);
    await exportBundle(1);
    assert.equal((await run("verify", medium)).code, 4);
  });

  /** A bundle signed by somebody else: how the tool ends, and how the documented openssl command does. */
  async function judgeSigner(signer: SoftwarePki): Promise<{ tool: Ended; openssl: number | null }> {
    await initAndTrust();
    const directory = await exportBundle(2);
    const { files } = forgeBundle(signer, await readBundleDirectory(directory), {});
    for (const file of BUNDLE_FILES) await writeFile(join(directory, file), files[file]);
    const command = VERIFY_COMMAND.replace("/etc/airlock/factory-root.pem", join(root, "root.pem"));
    const { status } = spawnSync("sh", ["-c", command], { cwd: directory, stdio: "pipe" });
    return { tool: await run("run", medium, ...apiArgs()), openssl: status };
  }

  it("BUNDLE-SIG exit 4 for a bundle signed with a device's key; the documented command refuses it too", async () => {
    const { der, key } = site.pki.issueDevice({ uuid: "0b5d7e0a-0000-4000-8000-000000000000" });
    const { tool, openssl } = await judgeSigner({ ...site.pki, bundleKey: key, bundleCertificateDer: der });
    assert.equal(tool.code, 4, tool.out + tool.err);
    assert.match(tool.out, /not a bundle signer's/);
    assert.notEqual(openssl, 0);
    assert.equal(factory.devices.size, 0);
  });

  it("BUNDLE-SIG exit 4 for a bundle that a sibling site's CA vouches for; only the pin tells it from ours", async () => {
    const { tool, openssl } = await judgeSigner(makePki({ under: site.pki }));
    assert.equal(tool.code, 4, tool.out + tool.err);
    assert.match(tool.out, /another device CA than the pinned one/);
    assert.equal(openssl, 0);
    assert.equal(factory.devices.size, 0);
  });

  it("ROLE-METHOD exit 4 when the Factory refuses the token, and the token is never shown", async () => {
    await initAndTrust();
    await exportBundle(1);
    await writeFile(join(root, "token"), "wrong-token-7c1e", { mode: 0o600 });
    const ran = await run("run", medium, ...apiArgs());
    assert.equal(ran.code, 4, ran.out + ran.err);
    assert.equal((ran.out + ran.err).includes("wrong-token-7c1e"), false);
    assert.match(ran.out, /No device was marked failed/);
    await writeFile(join(root, "token"), SANDBOX_TOKEN);
    assert.equal((await run("run", ...apiArgs())).code, 0);
  });

  it("SECRET-SILENT refuses a token file that others can read", async () => {
    await initAndTrust();
    await exportBundle(1);
    await chmod(join(root, "token"), 0o644);
    const ran = await run("run", medium, ...apiArgs());
    assert.notEqual(ran.code, 0);
    assert.match(ran.err, /can be read by others/);
    assert.equal(factory.devices.size, 0);
  });

  it("RECEIPT-RANGE exit 8 with a rejected device, which --clear-denied and --retry-rejected bring in later", async () => {
    await initAndTrust();
    const device = await site.register();
    await exportBundle(1);
    factory.deny(device.uuid);
    const ran = await run("run", medium, ...apiArgs());
    assert.equal(ran.code, 8, ran.out + ran.err);
    assert.match(ran.out, /E_DENIED/);
    const csv = /what to do about each: (\S+)/.exec(ran.out)?.[1] ?? "";
    assert.match(await readFile(csv, "utf8"), /E_DENIED/);
    const shown = await run("denied", ...apiArgs());
    assert.match(shown.out, new RegExp(`${device.uuid}  ${device.name}`));
    const cleared = await run("run", "--clear-denied", "--retry-rejected", ...apiArgs());
    assert.equal(cleared.code, 0, cleared.out + cleared.err);
    assert.equal(factory.devices.size, 2);
  });

  it("BUNDLE-COUNT gives a self-hosted gateway names and groups: one request a device, none for a scrapped one", async () => {
    await initAndTrust();
    const device = await site.register({ group: "pilot" });
    const scrapped = await site.register();
    await exportBundle(1);
    await site.log.append({ kind: "void", body: { registration: scrapped.seq, reason: "cracked", by: OPERATOR } });
    await exportBundle(0);
    const silent = await run("labels");
    assert.equal(silent.code, 3, silent.out + silent.err);
    await run("run", medium, ...apiArgs());
    const { code, out } = await run("labels");
    const requests = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { path: string; body: object });
    assert.deepEqual([code, requests.length], [0, 2]);
    const wanted = { upserts: { name: device.name, group: "pilot" } };
    const path = `/v1/devices/${device.uuid}/labels`;
    assert.deepEqual(requests[0], { method: "PATCH", path, body: wanted });
    assert.equal(out.includes(scrapped.uuid), false);
    // The Foundries API is no gateway: it knows no such path, which is what a device unseen looks like.
    const sent = await run("labels", "--gateway", factory.url);
    assert.match(sent.out + sent.err, /not seen by the gateway yet 2|refused the caller/);
  });

  it("ISSUE-ONCE exit 13 when the API cannot be reached, exit 11 when nobody says yes", async () => {
    await initAndTrust();
    await exportBundle(1);
    const silent = await run("run", medium, "--api", factory.url, "--token-file", join(root, "token"));
    assert.equal(silent.code, 11, silent.out + silent.err);
    const token = ["--token-file", join(root, "token"), "--yes"];
    const away = await run("run", medium, "--api", "http://127.0.0.1:9", ...token);
    assert.equal(away.code, 13, away.out + away.err);
    assert.equal((await run("run", ...apiArgs())).code, 0);
  });

  it("BUNDLE-COUNT writes the report, and with --json one object a line on stdout", async () => {
    await initAndTrust();
    await exportBundle(2);
    const ran = await run("run", medium, ...apiArgs(), "--json");
    const events = ran.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).event);
    assert.ok(events.includes("delivered") && events.includes("receipt") && events.includes("check"));
    const page = join(root, "report.html");
    assert.equal((await run("report", "--out", page)).code, 0);
    assert.match(await readFile(page, "utf8"), /<b>2<\/b>registered/);
  });

  for (const args of [[], ["dance"], ["verify"], ["run", "--nonsense"], ["init"], ["trust", "--appliance", "A"]]) {
    it(`BUNDLE-VER exit 2 with a sentence for: airlock-import ${args.join(" ")}`, async () => {
      const ended = await run(...args);
      assert.equal(ended.code, 2, ended.out + ended.err);
      assert.match(ended.err, /^airlock-import: .+\n$/);
    });
  }
});
