import { readFile } from "node:fs/promises";
import { systemClock } from "../../clock.ts";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import { type CeremonySigner, connectSigner } from "../../hsm/signer-client.ts";
import { parseApproval, type VerifiedApproval, verifyApprovals } from "../../log/act-approval.ts";
import type { DatedDraft } from "../../log/carry-over.ts";
import { createLog } from "../../log/create-log.ts";
import { realDisk } from "../../log/disk.ts";
import { listSegments } from "../../log/journal-recovery.ts";
import { openLog } from "../../log/open-log.ts";
import { type Continuation, encodeAct, parseAct, proposalId } from "../../log/proposed-act.ts";
import { Refusal } from "../../refusal.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { UsageError } from "../run-tool.ts";
import { formatCount } from "../text.ts";
import { describeContinuation, type Examined, examineFormer, type FormerPlaces } from "./examine-former.ts";

export interface ContinueOptions {
  readonly actFile: string;
  readonly former: string | undefined;
  readonly formerDatabase: string | undefined;
  readonly also: readonly string[];
  readonly approvals: readonly string[];
  readonly reason: string | undefined;
  readonly isConfirmed: boolean;
}

/**
 * `--continue-log`: makes a new log that takes over what can be read of a lost, rolled-back or damaged one, when as many
 * custodians as the old log asks for have signed exactly that (DUAL-CONTROL). Without approvals it writes down what
 * they would sign. The old files are only read; the new log goes into the configured, empty directories.
 *
 * Crash points: the new log is there whole or not at all. Dying between it and the signer's note leaves a log that
 * airlockd refuses by name; running this again only adds the note.
 */
export async function continueLogCommand(config: ApplianceConfig, options: ContinueOptions): Promise<ExitCode> {
  const signer = connectSigner(config.signer.socket);
  try {
    const hasLog = (await listSegments(realDisk, config.store.journal)).length > 0;
    if (hasLog) return await finish(config, signer);
    const examined = await examineFormer(config, placesOf(options));
    return options.approvals.length === 0
      ? await propose(examined, signer, options)
      : await decide(config, examined, signer, options);
  } finally {
    signer.close();
  }
}

function placesOf({ former, formerDatabase, also }: ContinueOptions): FormerPlaces {
  if (former === undefined) throw new UsageError("name the journal that was moved aside: --former DIR");
  return { journalDir: former, databaseDir: formerDatabase, also };
}

async function propose(examined: Examined, signer: CeremonySigner, options: ContinueOptions): Promise<ExitCode> {
  if (options.reason === undefined)
    throw new UsageError("say why, for everybody who signs and for the log: --reason TEXT");
  const { ledger } = await signer.status();
  const act = describeContinuation(examined, ledger, options.reason);
  await writeFileDurably(options.actFile, encodeAct(act));
  process.stdout.write(screenOf(examined, act));
  const quorum = examined.former.genesis.quorum;
  process.stdout.write(
    `Nothing was changed. Act ${proposalId(encodeAct(act))} is in ${options.actFile}\n` +
      `Next: ${quorum} of these custodians look at it and sign it: airlock-custody act sign ${options.actFile}\n`,
  );
  return EXIT.done;
}

async function decide(
  config: ApplianceConfig,
  examined: Examined,
  signer: CeremonySigner,
  options: ContinueOptions,
): Promise<ExitCode> {
  const { former } = examined;
  const json = await readFile(options.actFile, "latin1");
  const act = parseAct(json);
  if (act.kind !== "continue-log") throw new UsageError("this act is not about continuing a log");
  const { ledger, isCeremony } = await signer.status();
  if (encodeAct(describeContinuation(examined, ledger, act.reason)) !== json) throw changed();
  const texts = await Promise.all(options.approvals.map((file) => readFile(file, "utf8")));
  const approvals = verifyApprovals(json, texts.map(parseApproval), former.genesis.quorum, (sha256) =>
    former.state.client(sha256),
  );
  if (!isCeremony) throw new UsageError("the signer must run as airlock-signer --ceremony. Nothing was changed");
  process.stdout.write(screenOf(examined, act));
  for (const { client } of approvals) process.stdout.write(`  approved   ${client}\n`);
  if (!(await confirm("Make the new log?", options.isConfirmed))) return EXIT.cancelled;
  const { log } = await createLog(logOptions(config), draftsOf(examined, act, json, approvals));
  process.stdout.write(`Created log ${log}, which continues ${act.former.log}\n`);
  return await finish(config, signer);
}

/** The new log's records: the old genesis with where it continues, what is carried over, and the decision itself. */
function draftsOf(
  { former, carried }: Examined,
  act: Continuation,
  json: string,
  approvals: readonly VerifiedApproval[],
): DatedDraft[] {
  const { v: _v, kind, log: _log, seq: _seq, prev: _prev, at: _at, ...body } = former.genesis;
  const continues = { ...act.former, ledger: act.ledger };
  const proposal = proposalId(json);
  const decision = approvals.map(({ client, clientSha256, signature }, index): DatedDraft => {
    const by = { client, clientSha256 };
    const what = index === 0 ? { act: "propose" as const, proposal, what: act } : { act: "approve" as const, proposal };
    return { kind: "act", body: { ...what, signature, by } };
  });
  return [{ kind, body: { ...body, continues } }, ...carried.drafts, ...decision];
}

/** The new log is there; the signer is told, unless it was before. */
async function finish(config: ApplianceConfig, signer: CeremonySigner): Promise<ExitCode> {
  const { log } = await openLog(logOptions(config));
  const { baseline, head, log: id } = log.summary();
  await log.close();
  const { ledger } = await signer.status();
  if (baseline === undefined || baseline.number !== ledger.number || baseline.hash !== ledger.hash) {
    throw new UsageError(
      "there is a log in the configured directories already. Nothing was changed. To continue it in a new one, stop " +
        "airlockd and move both directories aside first",
    );
  }
  await signer.beginEpoch(head, baseline);
  process.stdout.write(
    `The signer's ledger knows log ${id} from here on\n` +
      `Next: start airlock-signer and airlockd as usual; give the log's id ${id} to the importer: airlock-import trust\n`,
  );
  return EXIT.done;
}

function screenOf({ former }: Examined, act: Continuation): string {
  const { former: end, carried, missing, ledger } = act;
  const custodians = former.state
    .clients()
    .filter(({ role, revokedAt }) => role === "custodian" && revokedAt === undefined)
    .map(({ name, sha256 }) => `  custodian  ${name.padEnd(24)} ${sha256.slice(0, 32)}...`);
  const unknown = ledger.certificates - carried.registrations;
  return [
    `Log ${end.log} can be read up to record ${formatCount(end.seq)}`,
    `  carried    ${formatCount(carried.registrations)} registrations, ${formatCount(carried.records)} records in all`,
    `             ${formatCount(carried.alone)} of them by their certificate alone: another history, or beside damage`,
    `  missing    ${formatCount(missing)} records in between: what they said is lost, revocations included`,
    `  ledger     ${formatCount(ledger.certificates)} certificates were signed, ${formatCount(Math.max(0, unknown))} more than are carried; one is the bundle signer's`,
    ...custodians,
    "",
  ].join("\n");
}

function logOptions({ store }: ApplianceConfig) {
  return {
    journalDir: store.journal,
    databaseDir: store.database,
    clock: systemClock,
    onFatal: (refusal: Refusal) => {
      throw refusal;
    },
  };
}

function changed(): Refusal {
  return new Refusal(
    "DUAL-CONTROL",
    "needs-person",
    "The act does not describe what is here now: the files or the signer's ledger differ. Nothing was changed. " +
      "Write the act again and have it signed again.",
  );
}
