import { systemClock } from "../../clock.ts";
import { encodeAct, type ProposedAct, proposalId } from "../../log/proposed-act.ts";
import { Refusal } from "../../refusal.ts";
import type { Proposal } from "../../rpc/custody-client.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson } from "../text.ts";
import { readAct } from "./act-options.ts";
import { actLines, proposalScreen } from "./act-screen.ts";
import type { CustodyOptions } from "./main.ts";
import { signAct } from "./sign-act.ts";
import { withAppliance } from "./with-appliance.ts";

/** `act`: what one custodian alone cannot decide (DUAL-CONTROL). */
export async function actCommand(values: CustodyOptions, [action, ...words]: readonly string[]): Promise<ExitCode> {
  switch (action) {
    case "propose":
      return await propose(values, words);
    case "approve":
      return await approve(values, words[0]);
    case "list":
      return await list(values);
    case "sign":
      return await signAct(values, words[0]);
    default:
      throw new UsageError("say what to do with acts: propose, approve, sign or list");
  }
}

async function propose(values: CustodyOptions, [kind, subject]: readonly string[]): Promise<ExitCode> {
  if (kind === undefined) throw new UsageError("say which act to propose. See airlock-custody --help");
  const deviceCaPem = () => withAppliance(values, async (client) => (await client.status()).deviceCaPem);
  const act = await readAct(kind, subject, values, deviceCaPem);
  const json = encodeAct(act);
  const id = proposalId(json);
  const { actId, needed, expiresAt } = await withAppliance(values, (client) => client.propose(json));
  if (actId !== id) throw otherBytes();
  if (values.json === true) process.stdout.write(`${encodeJson({ actId, needed, expiresAt })}\n`);
  else {
    process.stdout.write(`Proposed; nothing has changed yet.\nAct ${actId}\n`);
    for (const line of actLines(act)) process.stdout.write(`  ${line}\n`);
    process.stdout.write(`  needs ${needed} custodians, you included, until ${expiresAt}\n`);
    process.stdout.write(
      `Next: another custodian looks at it and runs: airlock-custody act approve ${actId.slice(0, 12)}\n`,
    );
  }
  return EXIT.done;
}

/** Shows exactly the bytes that the approval is bound to, and asks. */
async function approve(values: CustodyOptions, word: string | undefined): Promise<ExitCode> {
  if (word === undefined) throw new UsageError("name the act by its id: airlock-custody act list");
  return await withAppliance(values, async (client) => {
    const proposal = findProposal(await client.acts(true), word);
    const isNew = proposal.inForceAt === "";
    process.stderr.write(proposalScreen(proposal, systemClock.nowMs()));
    if (isNew && !(await confirm("Approve this act?", values.yes === true))) return EXIT.cancelled;
    const answer = await client.approve(proposal.actId);
    if (answer.certificatePem !== "" && values.out !== undefined)
      await writeFileDurably(values.out, answer.certificatePem);
    if (values.json === true) process.stdout.write(`${encodeJson(answer)}\n`);
    else process.stdout.write(approvedScreen(kindOf(proposal), answer, values.out));
    return EXIT.done;
  });
}

function kindOf({ actJson }: Proposal): ProposedAct["kind"] {
  return (JSON.parse(actJson) as ProposedAct).kind;
}

function approvedScreen(
  kind: ProposedAct["kind"],
  answer: { inForce: boolean; approvals: number; needed: number; certificatePem: string },
  out: string | undefined,
): string {
  if (!answer.inForce) {
    return `Approved: ${answer.approvals} of ${answer.needed}. Nothing has changed yet.\nNext: another custodian approves it too\n`;
  }
  if (answer.certificatePem === "" && kind === "rotate-device-ca") {
    return `In force: it may be installed. Nothing has changed for the line yet.\nNext: at the console, airlockd stopped: airlock-custody rotate install\n`;
  }
  if (answer.certificatePem === "") return "In force.\nNext: airlock-custody act list --all\n";
  if (out === undefined)
    return `In force.\n${answer.certificatePem}Next: carry this certificate to the new custodian\n`;
  return `In force.\n  certificate  ${out}\nNext: carry it and the line CA to the new custodian\n`;
}

async function list(values: CustodyOptions): Promise<ExitCode> {
  const acts = await withAppliance(values, (client) => client.acts(values.all === true));
  const nowMs = systemClock.nowMs();
  for (const act of acts) {
    process.stdout.write(values.json === true ? `${encodeJson(act)}\n` : proposalScreen(checked(act), nowMs));
  }
  if (values.json !== true && acts.length === 0) process.stdout.write("No act waits for approval.\n");
  return EXIT.done;
}

/** By the id or its first digits, at least 8 of them. */
function findProposal(proposals: readonly Proposal[], word: string): Proposal {
  const matches = proposals.filter(({ actId }) => word.length >= 8 && actId.startsWith(word.toLowerCase()));
  const [match] = matches;
  if (match === undefined || matches.length > 1) {
    throw new UsageError("give at least 8 digits of the id of one act that is there: airlock-custody act list --all");
  }
  return checked(match);
}

/** What is shown must be what is approved: the id is the hash of these bytes, computed here. */
function checked(proposal: Proposal): Proposal {
  if (proposalId(proposal.actJson) !== proposal.actId) throw otherBytes();
  return proposal;
}

function otherBytes(): Refusal {
  const sentence =
    "The appliance shows another act than the id stands for. Approve nothing, and call the other custodians.";
  return new Refusal("DUAL-CONTROL", "inconsistent", sentence);
}
