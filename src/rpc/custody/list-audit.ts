import type { ListAuditRequest, ListAuditResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { Log } from "../../log/log.ts";

/** ListAudit: acts of persons, as their records stand in the log. */
export function listAudit(log: Log) {
  return async function* ({ fromSequence }: ListAuditRequest): AsyncIterable<ListAuditResponse> {
    for await (const act of log.readKind("act", Math.max(1, Number(fromSequence)))) {
      for await (const { line } of log.read(act.seq, act.seq)) yield { recordJson: line.trimEnd() };
    }
  };
}
