import { readFile } from "node:fs/promises";
import { checkTrust, listTrust, pinTrust, type Trust } from "../../importer/trust-store.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { formatFingerprint } from "../text.ts";
import type { ImportCommand, ImportOptions } from "./main.ts";
import type { Output } from "./output.ts";
import { stateDirectory } from "./state-directory.ts";

/** `trust`: a person vouches for an appliance, or looks at what was vouched for. */
export const trustCommand: ImportCommand = async (words, options, output) => {
  if (words.length > 0) throw new UsageError("trust takes options only; see airlock-import --help");
  const state = stateDirectory(options);
  if (options.appliance === undefined && options["device-ca"] === undefined) return listPinned(state, output);
  const trust = checkTrust(await readInput(options));
  describeTrust(trust, output);
  const question = "Do these values stand in the ceremony's transcript, letter by letter?";
  if (!(await confirm(question, options.yes || options.fingerprint !== undefined))) return EXIT.cancelled;
  await pinTrust(state, trust);
  output.emit({ event: "pinned", ...plain(trust) });
  output.say("Pinned. Next: airlock-import verify DIR");
  return EXIT.done;
};

async function readInput(options: ImportOptions) {
  const { appliance, factory, log, "device-ca": deviceCa, "factory-root": root, fingerprint } = options;
  if (
    appliance === undefined ||
    factory === undefined ||
    log === undefined ||
    deviceCa === undefined ||
    root === undefined
  ) {
    throw new UsageError("trust needs --appliance, --factory, --log, --device-ca and --factory-root together");
  }
  const [deviceCaPem, rootPem] = await Promise.all([readFile(deviceCa, "utf8"), readFile(root, "utf8")]);
  return { appliance, factory, log, deviceCaPem, rootPem, fingerprint };
}

async function listPinned(state: string, output: Output): Promise<ExitCode> {
  const pinned = await listTrust(state);
  for (const trust of pinned) {
    describeTrust(trust, output);
    output.emit({ event: "pinned", ...plain(trust) });
  }
  if (pinned.length > 0) return EXIT.done;
  output.say("No appliance is pinned yet. See airlock-import --help");
  return EXIT.nothingToDo;
}

function describeTrust({ appliance, log, factory, deviceCa, root }: Trust, output: Output): void {
  output.say(`Appliance ${appliance}   log ${log}   factory ${factory}`);
  output.say(`  device CA     sha256 ${formatFingerprint(deviceCa.sha256)}`);
  output.say(`  Factory root  sha256 ${formatFingerprint(root.sha256)}`);
}

function plain({ appliance, log, factory, deviceCa, root }: Trust) {
  return { appliance, log, factory, deviceCaSha256: deviceCa.sha256, rootSha256: root.sha256 };
}
