import { join } from "node:path";
import { systemClock } from "../../clock.ts";
import { createIdentity } from "../../importer/identity.ts";
import { EXIT } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { formatFingerprint } from "../text.ts";
import type { ImportCommand } from "./main.ts";
import { stateDirectory } from "./state-directory.ts";

/** `init --id EU1`: this importer's key and certificate. */
export const initCommand: ImportCommand = async (words, options, output) => {
  if (options.id === undefined || words.length > 0)
    throw new UsageError("name the importer: airlock-import init --id EU1");
  const state = stateDirectory(options);
  const { id, sha256 } = await createIdentity(state, options.id, systemClock);
  const certificate = join(state, "importer.pem");
  output.emit({ event: "importer", id, certificate, sha256 });
  output.say(`Importer ${id} made in ${state}`);
  output.say(`  certificate ${certificate}`);
  output.say(`  sha256      ${formatFingerprint(sha256)}`);
  output.say("Keep a copy of this directory: without it, receipts cannot be continued.");
  output.say("Next: have the custodians trust importer.pem, comparing the fingerprint, and pin the appliance:");
  output.say("      airlock-import trust --help");
  return EXIT.done;
};
