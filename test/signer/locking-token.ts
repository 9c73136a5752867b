/**
 * Runs in mount, IPC and process namespaces of its own: a token of opencryptoki's software driver, which locks its PIN
 * after three wrong tries, and a signer that must not be the one who locks it. Prints one JSON object: see Findings.
 */
import { execFile, spawn } from "node:child_process";
import { globSync } from "node:fs";
import { chmod, chown, mkdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { startInProcess } from "./in-process.ts";
import { makeSiteOn, untilStatus } from "./signer-site.ts";

/** What the signer said, and what the token's own flags were afterwards. */
export interface Finding {
  readonly reason: string;
  readonly flags: string;
}

export interface Findings {
  /** Five starts with a wrong PIN. */
  readonly wrong: Finding;
  /** The right PIN, after a person used up another try: one is left. */
  readonly finalTry: Finding;
  /** The right PIN, after a person used up the last try. */
  readonly locked: Finding;
}

const run = promisify(execFile);
const [directory = ""] = process.argv.slice(2);
const [PIN, WRONG_PIN, SO_PIN] = ["48151623", "11111111", "87654321"];
const [module = ""] = globSync("/usr/lib/*/opencryptoki/libopencryptoki.so.0");
const pinFile = join(directory, "pin");

async function tool(...args: string[]): Promise<string> {
  return (await run("pkcs11-tool", ["--module", module, ...args])).stdout;
}

/** Directories and the one slot in place of the machine's own; the group is the one that opencryptoki asks for. */
async function arrange(): Promise<void> {
  await writeFile(join(directory, "slots.conf"), "version opencryptoki-3.1\nslot 0\n{\nstdll = libpkcs11_sw.so\n}\n");
  const gid = Number((await run("getent", ["group", "pkcs11"])).stdout.split(":")[2]);
  for (const path of ["store", "store/swtok", "store/swtok/TOK_OBJ", "run", "run/lock/opencryptoki/swtok"]) {
    await mkdir(join(directory, path), { recursive: true });
    await chown(join(directory, path), 0, gid);
    await chmod(join(directory, path), 0o770);
  }
  await run("mount", ["--bind", join(directory, "slots.conf"), "/etc/opencryptoki/opencryptoki.conf"]);
  await run("mount", ["--bind", join(directory, "store"), "/var/lib/opencryptoki"]);
  await run("mount", ["--bind", join(directory, "run"), "/run"]);
  spawn("pkcsslotd", [], { stdio: "ignore" });
  while (!(await tool("-L").catch(() => "")).includes("Slot 0")) await pause(50);
  await tool("--slot-index", "0", "--init-token", "--label", "airlock-test", "--so-pin", SO_PIN);
  await tool("--slot-index", "0", "--login", "--login-type", "so", "--so-pin", SO_PIN, "--init-pin", "--pin", PIN);
}

async function slotFact(name: string): Promise<string> {
  return new RegExp(`${name} *: *(.*)`).exec(await tool("-L"))?.[1]?.trim() ?? "";
}

/** A new signer's answer with this PIN in its file; the ledger's directory, and the marker in it, stay. */
async function startWith(pin: string, changedAt: number): Promise<string> {
  await writeFile(pinFile, `${pin}\n`, { mode: 0o600 });
  await utimes(pinFile, changedAt, changedAt);
  // In ceremony mode, for there is no ledger yet; the PIN is treated alike.
  const signer = await startInProcess(site, true);
  const { reason } = await untilStatus(signer.client, ({ state }) => state === "sealed");
  await signer.close();
  return reason ?? "";
}

async function wrongTryByHand(): Promise<void> {
  await tool("--slot-index", "0", "--login", "--pin", WRONG_PIN, "-O").catch(() => undefined);
}

await arrange();
const token = { module, serial: await slotFact("serial num"), pinFile, environment: {}, remove: async () => undefined };
await writeFile(pinFile, "", { mode: 0o600 });
const site = await makeSiteOn(token, { children: 1, timeoutMs: 10_000 });
const find = async (reason: string): Promise<Finding> => ({ reason, flags: await slotFact("token flags") });

let reason = "";
for (let start = 0; start < 5; start++) reason = await startWith(WRONG_PIN, 1);
const wrong = await find(reason);
await wrongTryByHand();
const finalTry = await find(await startWith(PIN, 2));
await wrongTryByHand();
const locked = await find(await startWith(PIN, 3));
await rm(site.directory, { recursive: true, force: true });
process.stdout.write(`${JSON.stringify({ wrong, finalTry, locked } satisfies Findings)}\n`);
process.exit(0);
