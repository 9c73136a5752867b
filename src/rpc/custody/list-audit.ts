import type { ListAuditRequest, ListAuditResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { Log } from "../../log/log.ts";
import type { RecordKind } from "../../log/record.ts";

/** What persons did, and what was refused; registrations, seals and receipts are the operators' to list. */
const AUDITED: readonly RecordKind[] = ["act", "void", "resubmit", "refusals"];

/** ListAudit: the records as they stand in the log, in its order. */
export function listAudit(log: Log) {
  return async function* ({ fromSequence }: ListAuditRequest): AsyncIterable<ListAuditResponse> {
    for await (const seq of auditedFrom(log, Math.max(1, Number(fromSequence)))) {
      for await (const { line } of log.read(seq, seq)) yield { recordJson: line.trimEnd() };
    }
  };
}

/** The numbers of all audited kinds, merged in order. */
async function* auditedFrom(log: Log, from: number): AsyncGenerator<number> {
  const streams = AUDITED.map((kind) => log.readKind(kind, from)[Symbol.asyncIterator]());
  const heads = await Promise.all(streams.map((stream) => stream.next()));
  for (;;) {
    const seqs = heads.map((head) => (head.done === true ? Number.POSITIVE_INFINITY : head.value.seq));
    const seq = Math.min(...seqs);
    if (seq === Number.POSITIVE_INFINITY) return;
    yield seq;
    const index = seqs.indexOf(seq);
    const stream = streams[index];
    if (stream !== undefined) heads[index] = await stream.next();
  }
}
