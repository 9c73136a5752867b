import { readFile } from "node:fs/promises";
import {
  checkLaterDeviceCa,
  checkTrust,
  listTrust,
  pinLaterDeviceCas,
  pinTrust,
  type Trust,
} from "../../importer/trust-store.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { formatFingerprint } from "../text.ts";
import type { ImportCommand, ImportOptions } from "./main.ts";
import type { Output } from "./output.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `trust`: a person vouches for an appliance, or looks at what was vouched for. */
export const trustCommand: ImportCommand = async (words, options, output) => {
  if (words.length > 0) throw new UsageError("trust takes options only; see airlock-import --help");
  const state = stateDirectory(options);
  const added = options["add-device-ca"];
  if (added !== undefined) return await addDeviceCa(state, added, options, output);
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

/** The appliance has moved to a next device CA: what either of them issued counts from here on. */
async function addDeviceCa(state: string, file: string, options: ImportOptions, output: Output): Promise<ExitCode> {
  const known = await chooseLog(state, options.log);
  const trust = checkLaterDeviceCa(known, await readFile(file, "utf8"), options.fingerprint);
  describeTrust(trust, output);
  const question = "Does the last of these fingerprints stand in the custodians' papers, letter by letter?";
  if (!(await confirm(question, options.yes || options.fingerprint !== undefined))) return EXIT.cancelled;
  await pinLaterDeviceCas(state, trust);
  output.emit({ event: "pinned", ...plain(trust) });
  output.say("Pinned. Next: airlock-import verify DIR");
  return EXIT.done;
}

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

function describeTrust({ appliance, log, factory, deviceCa, laterDeviceCas, root }: Trust, output: Output): void {
  output.say(`Appliance ${appliance}   log ${log}   factory ${factory}`);
  output.say(`  device CA     sha256 ${formatFingerprint(deviceCa.sha256)}`);
  for (const { sha256 } of laterDeviceCas) output.say(`  and then      sha256 ${formatFingerprint(sha256)}`);
  output.say(`  Factory root  sha256 ${formatFingerprint(root.sha256)}`);
}

function plain({ appliance, log, factory, deviceCa, laterDeviceCas, root }: Trust) {
  const laterDeviceCaSha256s = laterDeviceCas.map(({ sha256 }) => sha256);
  return { appliance, log, factory, deviceCaSha256: deviceCa.sha256, laterDeviceCaSha256s, rootSha256: root.sha256 };
}
