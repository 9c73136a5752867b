import assert from "node:assert/strict";
import { lineHash, ZERO_HASH } from "../../src/log/chain.ts";
import type { Log, RegistrationView } from "../../src/log/log.ts";
import type { LogRecord, RegistrationRecord, StoredRecord } from "../../src/log/record.ts";
import { parseRecord } from "../../src/log/record-codec.ts";
import { registrationKey } from "../../src/log/record-key.ts";
import { sha256 } from "./log-drafts.ts";

/** Reads a whole log and holds it against everything that was promised about it; returns its lines. */
export async function checkLog(log: Log, acknowledged: Iterable<StoredRecord> = []): Promise<StoredRecord[]> {
  const stored = await readAll(log);
  const records = checkChain(log, stored);
  for (const { seq, line, hash } of acknowledged) {
    assert.deepEqual(stored[seq - 1], { seq, line, hash }, `acknowledged record ${seq} is there, byte for byte`);
  }
  await checkLookups(log, records);
  await checkSums(log, records);
  return stored;
}

export async function readAll(log: Log): Promise<StoredRecord[]> {
  const stored: StoredRecord[] = [];
  for await (const record of log.read(1, log.summary().head.seq)) stored.push(record);
  return stored;
}

function checkChain(log: Log, stored: readonly StoredRecord[]): LogRecord[] {
  let prev = ZERO_HASH;
  const records = stored.map(({ line }) => parseRecord(line));
  for (const [index, { seq, line, hash }] of stored.entries()) {
    assert.equal(seq, index + 1);
    assert.equal(records[index]?.seq, seq);
    assert.equal(records[index]?.prev, prev);
    assert.equal(hash, lineHash(line));
    assert.equal(log.hashAt(seq), hash);
    prev = hash;
  }
  assert.deepEqual(log.summary().head, { seq: stored.length, hash: prev });
  assert.equal(log.hashAt(stored.length + 1), undefined);
  return records;
}

/** Every lookup finds the newest registration, and nothing is found that no record carries. */
async function checkLookups(log: Log, records: readonly LogRecord[]): Promise<void> {
  const registrations = records.filter((record): record is RegistrationRecord => record.kind === "registration");
  const byUuid = new Map(registrations.map((record) => [record.device.uuid, record]));
  const byKey = new Map(registrations.map((record) => [registrationKey(record), record]));
  for (const [uuid, record] of byUuid) assert.deepEqual((await log.findByUuid(uuid))?.record, record);
  for (const [key, record] of byKey) assert.deepEqual((await log.findByKey(key))?.record, record);
  const views = new Map<string, RegistrationView>();
  for await (const view of log.registrations()) views.set(view.name, view);
  for (const [name, view] of views) assert.deepEqual(await log.findByName(name), view);
  for (const { seq } of registrations) assert.equal((await log.findRegistration(seq))?.record.seq, seq);
  assert.equal(await log.findByUuid("00000000-0000-4000-8000-000000000000"), undefined);
  assert.equal(await log.findByKey(sha256("no such key")), undefined);
  assert.equal(await log.findByName("no-such-name"), undefined);
  assert.equal(await log.findRegistration(records.length + 1), undefined);
}

/** The summary equals what adding up the records one by one gives. */
async function checkSums(log: Log, records: readonly LogRecord[]): Promise<void> {
  const summary = log.summary();
  const states = new Map<string, number>();
  let registrations = 0;
  for await (const { state } of log.registrations()) {
    states.set(state, (states.get(state) ?? 0) + 1);
    registrations++;
  }
  const sealedThrough = records.reduce((last, r) => (r.kind === "seal" ? Math.max(last, r.last) : last), 0);
  const queued = records.filter(({ kind, seq }) => kind === "registration" && seq > sealedThrough);
  const ledgers = records.map((r) => (r.kind === "genesis" ? r.bundleCertLedger : "ledger" in r ? (r.ledger ?? 0) : 0));
  const counted = new Set(["genesis", "registration", "unissued"]);
  assert.deepEqual(
    {
      registrations: summary.registrations,
      queued: summary.queued,
      queuedSince: summary.queuedSince,
      sealedThrough: summary.sealedThrough,
      delivered: summary.delivered,
      rejected: summary.rejected,
      ledger: summary.ledger,
      certificates: summary.certificates,
      headAt: summary.headAt,
      log: summary.log,
    },
    {
      registrations,
      queued: queued.length,
      queuedSince: queued[0]?.at,
      sealedThrough,
      delivered: (states.get("delivered") ?? 0) + (states.get("duplicate") ?? 0),
      rejected: states.get("rejected") ?? 0,
      ledger: Math.max(0, ...ledgers),
      certificates: records.filter((r) => counted.has(r.kind) || (r.kind === "act" && "ledger" in r)).length,
      headAt: records.at(-1)?.at,
      log: records[0]?.log,
    },
  );
}
