import type { GetStatusResponse } from "../../rpc/custody-client.ts";
import { parseCaCertificate } from "../../x509/ca-certificate.ts";
import { parsePem } from "../../x509/pem.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { encodeJson, formatCount } from "../text.ts";
import type { CustodyOptions } from "./main.ts";
import { withAppliance } from "./with-appliance.ts";

/** `seal`: the signer forgets the PIN; done when it answers. */
export async function sealCommand(values: CustodyOptions): Promise<ExitCode> {
  if (!(await confirm("Seal the HSM? No board can register until it is unsealed.", values.yes === true))) {
    return EXIT.cancelled;
  }
  const { pinSource } = await withAppliance(values, async (client) => {
    await client.seal();
    return await client.status();
  });
  process.stdout.write(`Sealed.\nNext: ${wayBack(pinSource)}\n`);
  return EXIT.done;
}

/** `unseal`: the way back where the PIN is a file. */
export async function unsealCommand(values: CustodyOptions): Promise<ExitCode> {
  await withAppliance(values, (client) => client.unseal());
  process.stdout.write("Unsealed.\nNext: airlock-custody status\n");
  return EXIT.done;
}

/** `status`: one screen. Exit code 12 while the HSM cannot sign. */
export async function statusCommand(values: CustodyOptions): Promise<ExitCode> {
  const status = await withAppliance(values, (client) => client.status());
  process.stdout.write(values.json === true ? `${encodeStatus(status)}\n` : custodyStatusScreen(status));
  return status.hsm === "ready" ? EXIT.done : EXIT.hsm;
}

function encodeStatus(status: GetStatusResponse): string {
  const round = (part: GetStatusResponse["unseal"]) => ({ held: part?.held ?? [], expiresAt: part?.expiresAt ?? "" });
  const { shareKey, unseal, rehearsal, ...rest } = status;
  return encodeJson({
    ...rest,
    shareKey: Buffer.from(shareKey).toString("base64"),
    unseal: round(unseal),
    rehearsal: round(rehearsal),
  });
}

export function custodyStatusScreen(status: GetStatusResponse): string {
  const lines = [
    ...(status.evaluation ? ["EVALUATION SITE: not for production"] : []),
    `appliance  ${status.appliance}, factory ${status.factory}, log ${status.log} at ${formatCount(status.headSequence)}`,
    `clock      ${status.now.slice(0, 19).replace("T", " ")} UTC  ${status.clockProblem || "ok"}`,
    `HSM        ${status.hsm}${status.hsmReason === "" ? "" : `: ${status.hsmReason}`}`,
    `PIN        from ${sourceText(status)}`,
    ...roundLines("unsealing", status.unseal, status.sharesNeeded),
    ...roundLines("rehearsal", status.rehearsal, status.sharesNeeded),
    ...deviceCaLines(status),
    `decisions  by ${status.quorum} custodians`,
    ...status.warnings.map((warning) => `WARNING    ${warning}`),
    ...nextLine(status),
  ];
  return `${lines.join("\n")}\n`;
}

function deviceCaLines({ deviceCaPem }: GetStatusResponse): string[] {
  // An appliance of before does not tell.
  if (deviceCaPem === "") return [];
  const { sha256, notAfterMs } = parseCaCertificate(parsePem(deviceCaPem, "CERTIFICATE"));
  return [`device CA  ${sha256.slice(0, 32)}..., until ${new Date(notAfterMs).toISOString().slice(0, 10)}`];
}

function sourceText({ pinSource, splitNumber, splitId, sharesNeeded, sharesTotal }: GetStatusResponse): string {
  const split =
    splitNumber === 0 ? "" : `; split ${splitNumber} (${splitId}): ${sharesNeeded} of ${sharesTotal} shares`;
  if (pinSource === "shares") return `custodians' shares${split || ": none were made yet"}`;
  return (pinSource === "prompt" ? "the signer's console" : pinSource === "file" ? "a file" : "unknown") + split;
}

function roundLines(what: string, round: GetStatusResponse["unseal"], needed: number): string[] {
  if (round === undefined || round.held.length === 0) return [];
  const until = `${round.expiresAt.slice(11, 16)} UTC`;
  return [`${what}  ${round.held.length} of ${needed} shares held until ${until}: numbers ${round.held.join(", ")}`];
}

function nextLine({ hsm, pinSource, clockProblem }: GetStatusResponse): string[] {
  if (hsm === "sealed") return [`Next: ${wayBack(pinSource)}`];
  if (clockProblem !== "") return ["Next: airlock-custody act propose confirm-clock"];
  return [];
}

function wayBack(pinSource: string): string {
  if (pinSource === "shares") return "custodians present their shares: airlock-custody shares present FILE";
  if (pinSource === "prompt") return "type the PIN at the signer's console";
  return "airlock-custody unseal";
}
