import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { OPERATOR, STATION } from "./create-site.ts";
import { createDemoBoard, isReachable, registerBoard } from "./demo-board.ts";
import { SANDBOX_TOKEN } from "./foundries-api.ts";
import { runProgram } from "./programs.ts";
import { openSite, type Site } from "./site.ts";
import { DEMO_FACTORY } from "./site-files.ts";

/** `npm run demo -- [--devices N] [--dir DIR]`: the whole journey once, both sides of the gap, then exit 0. */

let stepNumber = 0;
const say = (step: string) => {
  stepNumber += 1;
  console.log(`${String(stepNumber).padStart(2)}  ${step}`);
};

const { values } = parseArgs({
  options: { devices: { type: "string", default: "5" }, dir: { type: "string", default: "demo-out" } },
});
const count = Number(values.devices);
if (!Number.isInteger(count) || count < 1 || count > 10_000) {
  console.error("--devices must be a number from 1 to 10000");
  process.exit(2);
}
const out = resolve(values.dir);
// Only what an earlier demo left there is replaced; anything else in the directory stays.
const DEMO_FILES = ["devices", "outbox", "receipts", "factory-root.pem", "device-ca.pem", "report.html"];
for (const file of DEMO_FILES) await rm(join(out, file), { recursive: true, force: true });
await mkdir(out, { recursive: true });

const siteDir = await mkdtemp(join(tmpdir(), "airlock-demo-"));
try {
  const site = await openSite(join(siteDir, "site"), say);
  try {
    await walk(site);
  } finally {
    await site.stop();
  }
} finally {
  await rm(siteDir, { recursive: true, force: true });
}
console.log(`\nDone. Everything is in ${out}`);

async function walk(site: Site): Promise<void> {
  await cp(join(site.paths.factory, "factory_ca.pem"), join(out, "factory-root.pem"));
  await cp(join(site.paths.ceremony, "device-ca.pem"), join(out, "device-ca.pem"));
  await registerBoards(site);
  await exportBundles(site);
  await importBundles(site);
  await applyReceipts(site);
}

async function registerBoards(site: Site): Promise<void> {
  if (!(await isReachable(site.deviceApi))) throw new Error("the bridge cannot be reached");
  for (let i = 1; i <= count; i++) {
    const board = await createDemoBoard(join(out, "devices"), DEMO_FACTORY, `unit-${String(i).padStart(5, "0")}`);
    await registerBoard(site.deviceApi, board, "intel-corei7-64");
    await writeFile(join(board.dir, "device.csr"), board.csr);
  }
  say(`${count} boards registered through the bridge, station ${STATION}`);
}

async function exportBundles(site: Site): Promise<void> {
  const config = ["--config", join(site.paths.etc, "operator.toml")];
  await mkdir(join(out, "outbox"), { recursive: true });
  const text = await runProgram("airlock-export", ["export", ...config, "--to", join(out, "outbox"), "--yes"]);
  say(`operator ${OPERATOR} exported: ${(await readdir(join(out, "outbox"))).join(", ")}`);
  indent(text);
}

async function importBundles(site: Site): Promise<void> {
  const token = join(site.paths.importer, "token");
  await writeFile(token, SANDBOX_TOKEN, { mode: 0o600 });
  const state = ["--state", site.paths.importer];
  const api = ["--api", site.foundries.url, "--token-file", token, "--receipt-to", join(out, "receipts"), "--yes"];
  await mkdir(join(out, "receipts"), { recursive: true });
  indent(await runProgram("airlock-import", ["run", join(out, "outbox"), ...state, ...api]));
  say(`importer delivered; the Factory now has ${site.foundries.devices.size} devices`);
  if (site.foundries.devices.size !== count) throw new Error("not every device arrived");
  await runProgram("airlock-import", ["report", ...state, "--out", join(out, "report.html")]);
  say("report.html written");
}

async function applyReceipts(site: Site): Promise<void> {
  const config = ["--config", join(site.paths.etc, "operator.toml")];
  for (const receipt of (await readdir(join(out, "receipts"))).sort()) {
    indent(await runProgram("airlock-export", ["receipt", "apply", join(out, "receipts", receipt), ...config]));
  }
  const status = JSON.parse(await runProgram("airlock-export", ["status", ...config, "--json"])) as {
    delivered: number;
  };
  if (status.delivered !== count) throw new Error("the receipt does not cover every device");
  say(`receipt applied: ${status.delivered} of ${count} delivered, nothing queued`);
}

function indent(text: string): void {
  for (const line of text.trimEnd().split("\n")) if (line !== "") console.log(`      ${line}`);
}
