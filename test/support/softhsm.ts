import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where distributions put SoftHSM; SOFTHSM2_MODULE names another place. */
const MODULES = [
  process.env.SOFTHSM2_MODULE,
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/lib/pkcs11/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
];

/** A real, empty SoftHSM token in a directory of its own. */
export interface SoftToken {
  readonly directory: string;
  /** PKCS#11 module for `[signer] module`. */
  readonly module: string;
  /** For `[signer] token_serial`. */
  readonly serial: string;
  readonly label: string;
  readonly pin: string;
  readonly soPin: string;
  /** File with the PIN and a line feed, mode 0600, for `[signer] pin_file`. */
  readonly pinFile: string;
  /** What a process needs in its environment to see this token. */
  readonly environment: { readonly SOFTHSM2_CONF: string };
  /** Runs pkcs11-tool on the token, logged in; resolves with what it prints. */
  pkcs11Tool(...args: string[]): Promise<string>;
  remove(): Promise<void>;
}

/** A missing SoftHSM fails the test that needs it; nothing is ever skipped. */
export async function findSoftHsm(): Promise<string> {
  for (const path of MODULES) {
    if (path === undefined) continue;
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new Error("SoftHSM is not installed: run `apt-get install softhsm2` or set SOFTHSM2_MODULE.");
}

/** Initialises a fresh token; call `remove` when every process that uses it has ended. */
export async function makeSoftToken(options: { label?: string; pin?: string } = {}): Promise<SoftToken> {
  const { label = "airlock-test", pin = "48151623" } = options;
  const soPin = "42108642";
  const module = await findSoftHsm();
  const directory = await mkdtemp(join(tmpdir(), "airlock-token-"));
  const conf = join(directory, "softhsm2.conf");
  const pinFile = join(directory, "pin");
  await mkdir(join(directory, "tokens"), { mode: 0o700 });
  await writeFile(conf, `directories.tokendir = ${join(directory, "tokens")}\nobjectstore.backend = file\n`);
  await writeFile(pinFile, `${pin}\n`, { mode: 0o600 });
  const environment = { SOFTHSM2_CONF: conf };
  const env = { ...process.env, ...environment };
  await run("softhsm2-util", ["--init-token", "--free", "--label", label, "--so-pin", soPin, "--pin", pin], { env });
  const { stdout } = await run("softhsm2-util", ["--show-slots"], { env });
  return {
    directory,
    module,
    serial: serialOf(stdout, label),
    label,
    pin,
    soPin,
    pinFile,
    environment,
    async pkcs11Tool(...args) {
      const common = ["--module", module, "--token-label", label, "--login", "--pin", pin];
      return (await run("pkcs11-tool", [...common, ...args], { env })).stdout;
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Each slot is printed as a block; the uninitialised one has an empty serial and label. */
function serialOf(slots: string, label: string): string {
  const block = slots.split(/^Slot \d+$/m).find((text) => text.includes(`Label:            ${label}`));
  const serial = block?.match(/Serial number:\s+([0-9a-f]{1,16})/)?.[1];
  if (serial === undefined) throw new Error("softhsm2-util does not show the new token");
  return serial;
}
