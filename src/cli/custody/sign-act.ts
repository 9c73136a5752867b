import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { signApproval } from "../../log/act-approval.ts";
import { parseAct, proposalId } from "../../log/proposed-act.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { encodePem, parsePem } from "../../x509/pem.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { UsageError } from "../run-tool.ts";
import { actLines } from "./act-screen.ts";
import { type CustodyOptions, required } from "./main.ts";

/** `act sign FILE`: approves an act without the appliance, on the custodian's own machine, where the key is. */
export async function signAct(values: CustodyOptions, file: string | undefined): Promise<ExitCode> {
  if (file === undefined) throw new UsageError("name the file that airlockd --continue-log wrote");
  const json = await readFile(file, "latin1");
  const act = parseAct(json);
  const key = createPrivateKey(await readFile(required(values, "key"), "utf8"));
  const der = parsePem(await readFile(required(values, "certificate"), "utf8"), "CERTIFICATE");
  if (!createPublicKey(key).export({ format: "der", type: "spki" }).equals(parseCertificate(der).spkiDer)) {
    throw new UsageError("the certificate is not this key's. Nothing was signed");
  }
  const out = required(values, "out");
  process.stdout.write(
    `Act ${proposalId(json)}\n${actLines(act)
      .map((line) => `  ${line}\n`)
      .join("")}`,
  );
  if (!(await confirm("Sign this act?", values.yes === true))) return EXIT.cancelled;
  await writeFileDurably(out, signApproval(json, key, encodePem(der, "CERTIFICATE")));
  process.stdout.write(
    `Signed: ${out}\nNext: carry it to the appliance, for airlockd --continue-log ... --approval FILE\n`,
  );
  return EXIT.done;
}
