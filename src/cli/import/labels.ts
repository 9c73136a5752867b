import { readFile } from "node:fs/promises";
import { readSecretFile } from "../../config/secret-file.ts";
import { type Gateway, type LabelOutcome, labelRequest, openGateway } from "../../foundries/gateway-labels.ts";
import { type DeviceLabels, readLabels } from "../../importer/device-labels.ts";
import { readJournal } from "../../importer/journal.ts";
import { logDirectory } from "../../importer/trust-store.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { formatCount } from "../text.ts";
import { journalPath } from "./examine.ts";
import type { ImportCommand, ImportOptions } from "./main.ts";
import type { Output } from "./output.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `labels [--gateway URL]`: names and groups for a self-hosted gateway, which knows a device by its first contact. */
export const labelsCommand: ImportCommand = async (_words, options, output) => {
  const state = stateDirectory(options);
  const { log } = await chooseLog(state, options.log);
  const directory = logDirectory(state, log);
  const devices = readLabels(directory, log, await readJournal(journalPath(directory)));
  if (options.gateway === undefined) return await printRequests(devices, output);
  const gateway = await open(options, options.gateway);
  try {
    return await apply(gateway, devices, output);
  } finally {
    gateway.close();
  }
};

/** One request a line, for whatever feeds the gateway. */
async function printRequests(devices: AsyncIterable<DeviceLabels>, output: Output): Promise<ExitCode> {
  let count = 0;
  for await (const { uuid, labels } of devices) {
    count++;
    process.stdout.write(`${JSON.stringify(labelRequest(uuid, labels))}\n`);
  }
  process.stderr.write(
    `${count === 1 ? "1 device" : `${formatCount(count)} devices`}. To send them: --gateway https://GATEWAY --gateway-header FILE\n`,
  );
  output.emit({ event: "labels", devices: count });
  return count === 0 ? EXIT.nothingToDo : EXIT.done;
}

async function open(options: ImportOptions, baseUrl: string): Promise<Gateway> {
  const { "gateway-header": header, "api-ca": ca } = options;
  return openGateway({
    baseUrl,
    ...(header === undefined ? {} : { header: await readSecretFile(header) }),
    ...(ca === undefined ? {} : { caPem: await readFile(ca, "utf8") }),
  });
}

/** Setting a label twice is as good as once, so nothing is remembered: run it again as devices appear. */
async function apply(gateway: Gateway, devices: AsyncIterable<DeviceLabels>, output: Output): Promise<ExitCode> {
  const counts: Record<LabelOutcome, number> = { done: 0, absent: 0, unauthorised: 0, lost: 0 };
  for await (const { uuid, labels } of devices) {
    const outcome = await gateway.setLabels(uuid, labels);
    counts[outcome]++;
    output.emit({ event: "label", uuid, ...labels, outcome });
    if (outcome === "unauthorised") break;
  }
  output.say(
    `  labelled ${formatCount(counts.done)}   not seen by the gateway yet ${formatCount(counts.absent)}   failed ${formatCount(counts.lost)}`,
  );
  if (counts.unauthorised > 0) {
    output.say("The gateway refused the caller. Nothing further was sent. Check --gateway-header.");
    return EXIT.trust;
  }
  if (counts.absent + counts.lost > 0) output.say("Next: the same command again, once those devices have connected");
  return counts.lost > 0 ? EXIT.partial : counts.done + counts.absent === 0 ? EXIT.nothingToDo : EXIT.done;
}
