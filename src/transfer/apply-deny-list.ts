import type { Clock } from "../clock.ts";
import type { Log } from "../log/log.ts";
import type { By, DenyMode } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import { type DenyList, parseDenyList, type UnverifiedDenyList, verifyDenyList } from "./deny-list.ts";
import { createSerialQueue } from "./serial-queue.ts";

/** As many fit into a line of the log. */
const PIECE = 300;
const MAX_NAMED = 100;
const DAY_MS = 24 * 3_600_000;

/** A board that was registered here and whose uuid the Factory denies. */
export interface DeniedBoard {
  readonly seq: number;
  readonly uuid: string;
  readonly name: string;
}

export interface AppliedDenyList {
  readonly list: DenyList;
  readonly isAlreadyApplied: boolean;
  /** Registered here and not delivered; the first hundred. */
  readonly denied: readonly DeniedBoard[];
  readonly evidence: readonly string[];
}

export interface DenyListApplier {
  /**
   * Checks a deny list (PEM or DER) and records it; from then on it is the one in force. When it resolves, the records
   * are durable; the same list again changes nothing. Calls run one after another.
   * @throws Refusal RECEIPT-SIG, RECEIPT-LOG, RECEIPT-SEQNO; then the list before it stays in force
   */
  apply(bytes: Buffer, by: By): Promise<AppliedDenyList>;
}

export interface DenyListParts {
  readonly log: Log;
  readonly clock: Clock;
  /** What the site does with a denied board. */
  readonly mode: DenyMode;
}

export function createDenyListApplier(parts: DenyListParts): DenyListApplier {
  const inOrder = createSerialQueue();
  return { apply: (bytes, by) => inOrder(() => applyDenyList(parts, bytes, by)) };
}

async function applyDenyList(parts: DenyListParts, bytes: Buffer, by: By): Promise<AppliedDenyList> {
  const { log, mode } = parts;
  const unverified = parseDenyList(bytes);
  const { list, sha256 } = unverified;
  const evidence = [checkSignature(log, unverified), checkLog(log, list)];
  const current = log.custody().denyList();
  // Under another mode the same list is another decision.
  const isAlreadyApplied = current?.sha256 === sha256 && current.mode === mode;
  evidence.push(isAlreadyApplied ? "RECEIPT-SEQNO ok this list is in force" : checkTime(parts, unverified));
  if (!isAlreadyApplied) await record(parts, unverified, by);
  return { list, isAlreadyApplied, denied: await findBoards(log, list), evidence };
}

/** In force with the last piece: were we to die before it, the former list stays, and applying it again starts over. */
async function record({ log, mode }: DenyListParts, { list, sha256 }: UnverifiedDenyList, by: By): Promise<void> {
  const parts = Math.max(1, Math.ceil(list.uuids.length / PIECE));
  for (let part = 1; part <= parts; part++) {
    const uuids = list.uuids.slice((part - 1) * PIECE, part * PIECE);
    const piece = { importer: list.importer, sha256, issuedAt: list.at, mode, part, parts, uuids };
    await log.append({ kind: "act", body: { act: "deny-list", list: piece, by } });
  }
}

function checkSignature(log: Log, unverified: UnverifiedDenyList): string {
  const { importer } = unverified.list;
  const trusted = log.importer(importer);
  if (trusted === undefined) {
    const sentence =
      "No custodians have trusted this importer. Check who sent the deny list; see: airlock-custody importer.";
    throw new Refusal("RECEIPT-SIG", "forbidden", sentence, { field: "list" });
  }
  verifyDenyList(unverified, trusted.pem);
  return `RECEIPT-SIG ok importer ${importer}`;
}

function checkLog(log: Log, list: DenyList): string {
  const { log: id } = log.summary();
  if (list.log === id) return `RECEIPT-LOG ok ${id}`;
  throw refuse("RECEIPT-LOG", "The deny list is for another appliance's log. Take it there.");
}

/** Whoever replays an old list would let boards through that were denied since. */
function checkTime({ log, clock }: DenyListParts, { list, sha256 }: UnverifiedDenyList): string {
  const current = log.custody().denyList();
  if (Date.parse(list.at) > clock.nowMs() + DAY_MS) {
    throw refuse(
      "RECEIPT-SEQNO",
      "The deny list is dated more than a day ahead of this appliance's clock. One of the two clocks is wrong.",
    );
  }
  if (current !== undefined && current.sha256 !== sha256 && list.at <= current.issuedAt) {
    throw refuse("RECEIPT-SEQNO", "The deny list is older than the one in force. Nothing to do: use the newest one.");
  }
  return `RECEIPT-SEQNO ok made ${list.at.slice(0, 16).replace("T", " ")} UTC`;
}

async function findBoards(log: Log, { uuids }: DenyList): Promise<DeniedBoard[]> {
  const boards: DeniedBoard[] = [];
  for (const uuid of uuids) {
    if (boards.length === MAX_NAMED) break;
    const found = await log.findByUuid(uuid);
    if (found === undefined || !/^(?:queued|sealed|rejected)$/.test(found.state)) continue;
    boards.push({ seq: found.record.seq, uuid, name: found.name });
  }
  return boards;
}

function refuse(control: "RECEIPT-LOG" | "RECEIPT-SEQNO", sentence: string): Refusal {
  return new Refusal(control, "conflict", sentence, { field: "list" });
}
