import { lineHash, ZERO_HASH } from "../../src/log/chain.ts";
import { CustodyState } from "../../src/log/custody-state.ts";
import type { Log, RegistrationState, RegistrationView } from "../../src/log/log.ts";
import type { LogRecord, RecordDraft, RegistrationRecord, StoredRecord } from "../../src/log/record.ts";
import { encodeRecord, parseRecord } from "../../src/log/record-codec.ts";

const QUIET = new Set(["seal", "receipt", "refusals"]);

/** A log in memory with the real codec: enough of the contract for what crosses the gap. */
export interface MemoryLog extends Log {
  readonly lines: StoredRecord[];
  /** Makes the next append fail, after or before the record is there. */
  failNextAppend?: "before" | "after";
  /** An independent log with the same records, as a restored disk would be. */
  fork(): MemoryLog;
}

export function makeMemoryLog(log: string, nowMs: () => number, lines: StoredRecord[] = []): MemoryLog {
  const records = (): LogRecord[] => lines.map(({ line }) => parseRecord(line));
  const ofKind = <K extends LogRecord["kind"]>(kind: K) =>
    records().filter((record): record is Extract<LogRecord, { kind: K }> => record.kind === kind);
  const bundles = () => {
    const acknowledged = new Set(ofKind("receipt").flatMap((receipt) => receipt.bundles));
    return ofKind("seal").map(({ bundle, id, first, last, registrations, at, seq }) => ({
      bundle,
      id,
      first,
      last,
      registrations,
      sealedAt: at,
      seq,
      isAcknowledged: acknowledged.has(bundle),
    }));
  };
  const view = (record: RegistrationRecord): RegistrationView => {
    const bundle = bundles().find(({ first, last }) => first <= record.seq && record.seq <= last)?.bundle;
    const state: RegistrationState = bundle === undefined ? "queued" : "sealed";
    const renamed = ofKind("resubmit").findLast(({ registration }) => registration === record.seq)?.name;
    return { record, state, name: renamed ?? record.device.name, ...(bundle === undefined ? {} : { bundle }) };
  };
  const memory: MemoryLog = {
    lines,
    async append(draft: RecordDraft) {
      const failing = memory.failNextAppend;
      delete memory.failNextAppend;
      if (failing === "before") throw new Error("the append failed and did not land");
      const seq = lines.length + 1;
      const prev = lines.at(-1)?.hash ?? ZERO_HASH;
      const line = encodeRecord({ log, seq, prev, at: new Date(nowMs()).toISOString() }, draft);
      const stored = { seq, line, hash: lineHash(line) };
      lines.push(stored);
      if (failing === "after") throw new Error("the append failed but did land");
      return stored;
    },
    findByUuid: async (uuid) =>
      ofKind("registration")
        .filter((r) => r.device.uuid === uuid)
        .map(view)
        .at(-1),
    findByKey: async () => undefined,
    findByName: async (name) =>
      ofKind("registration")
        .map(view)
        .find((v) => v.name === name),
    findRegistration: async (seq) =>
      ofKind("registration")
        .filter((r) => r.seq === seq)
        .map(view)[0],
    registrations: async function* () {
      yield* ofKind("registration").map(view);
    },
    read: async function* (first, last) {
      yield* lines.slice(first - 1, last);
    },
    readKind: async function* (kind, from = 1) {
      yield* ofKind(kind).filter(({ seq }) => seq >= from);
    },
    summary() {
      const sealedThrough = bundles().at(-1)?.last ?? 0;
      const all = records();
      const receipt = ofKind("receipt").at(-1);
      const { seq = 0, hash = ZERO_HASH } = lines.at(-1) ?? {};
      return {
        log,
        head: { seq, hash },
        headAt: all.at(-1)?.at ?? "",
        clockFloorMs: Date.parse(all.at(-1)?.at ?? "1970-01-01T00:00:00Z"),
        clockBaselineMs: Date.parse(all.at(-1)?.at ?? "1970-01-01T00:00:00Z"),
        registrations: ofKind("registration").length,
        queued: ofKind("registration").filter((r) => r.seq > sealedThrough).length,
        sealedThrough,
        delivered: 0,
        rejected: 0,
        deliveredThrough: receipt?.thru ?? 0,
        ...(receipt === undefined ? {} : { lastReceipt: receipt }),
        ledger: 0,
        certificates: 1 + ofKind("registration").length + ofKind("unissued").length,
        hasUnsealedNews: all.some(({ seq, kind }) => seq > sealedThrough && !QUIET.has(kind)),
      };
    },
    client: () => undefined,
    clients: () => [],
    importer: (id) =>
      ofKind("act")
        .flatMap((a) => (a.act === "trust-importer" ? [a.importer] : []))
        .findLast((i) => i.id === id),
    bundles,
    custody: () => new CustodyState(() => undefined),
    hashAt: (seq) => lines[seq - 1]?.hash,
    ledgerNumbers: () => new Set(),
    checkSpace: () => undefined,
    close: async () => undefined,
    fork: () => makeMemoryLog(log, nowMs, [...lines]),
  };
  return memory;
}
