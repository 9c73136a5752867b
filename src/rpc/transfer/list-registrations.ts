import type { ListRegistrationsRequest, ListRegistrationsResponse } from "../../gen/airlock/transfer/v1/transfer.ts";
import type { Log, RegistrationView } from "../../log/log.ts";

/** ListRegistrations: one pass over the log; filters narrow what is sent, never what is read. */
export function listRegistrations(log: Log) {
  return async function* (filter: ListRegistrationsRequest): AsyncIterable<ListRegistrationsResponse> {
    for await (const view of log.registrations()) if (isWanted(view, filter)) yield wireRegistration(view);
  };
}

function isWanted({ record, state, name }: RegistrationView, filter: ListRegistrationsRequest): boolean {
  return (
    isMatch(filter.state, state) &&
    isMatch(filter.station, record.by.client) &&
    isMatch(filter.uuid, record.device.uuid) &&
    isMatch(filter.name, name) &&
    (filter.from === "" || record.at >= filter.from) &&
    (filter.until === "" || record.at < filter.until)
  );
}

function isMatch(wanted: string, actual: string): boolean {
  return wanted === "" || wanted === actual;
}

function wireRegistration({ record, state, name, bundle, rejectCode }: RegistrationView): ListRegistrationsResponse {
  return {
    sequence: BigInt(record.seq),
    at: record.at,
    uuid: record.device.uuid,
    name,
    hardwareId: record.device.hardwareId,
    state,
    rejectCode: rejectCode ?? "",
    bundle: bundle ?? 0,
    station: record.by.client,
  };
}
