import { readImported } from "./imported-registrations.ts";
import type { ImporterState } from "./importer-state.ts";

/** What a self-hosted gateway can be told of a device once it has seen it. */
export interface DeviceLabels {
  readonly uuid: string;
  readonly labels: { readonly name: string; readonly group?: string };
}

/**
 * The newest name and group of every device that was imported, in sequence order; scrapped and replaced registrations
 * are left out.
 * @throws StateError when a kept copy was changed
 */
export async function* readLabels(
  logDirectory: string,
  log: string,
  state: ImporterState,
): AsyncGenerator<DeviceLabels> {
  for await (const { seq, device } of readImported(logDirectory, log, state)) {
    if (state.voided.has(seq) || state.replacedBy.has(seq)) continue;
    const name = state.renamed.get(seq)?.name ?? device.name;
    yield { uuid: device.uuid, labels: { name, ...(device.group === undefined ? {} : { group: device.group }) } };
  }
}
