import type { ApplianceConfig } from "../../../config/appliance-config.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { checkCertificates } from "./certificates.ts";
import { checkClock } from "./clock.ts";
import { checkDisk } from "./disk.ts";
import { bad, type Check, type Finding } from "./finding.ts";
import { checkFirewall } from "./firewall.ts";
import { checkCoreDumps, checkSwap } from "./memory.ts";
import { checkPermissions } from "./permissions.ts";
import { checkPorts } from "./ports.ts";
import { checkToken } from "./token.ts";

const CHECKS: Readonly<Record<string, Check>> = {
  permissions: checkPermissions,
  clock: checkClock,
  token: checkToken,
  disk: checkDisk,
  certificates: checkCertificates,
  firewall: checkFirewall,
  ports: checkPorts,
  swap: checkSwap,
  "core dumps": checkCoreDumps,
};

/** `--doctor`: one line for each check, with its remedy where it fails. Changes nothing. Exit code 0, or 2. */
export async function doctorCommand(config: ApplianceConfig, isJson: boolean): Promise<ExitCode> {
  let failed = 0;
  for (const [name, check] of Object.entries(CHECKS)) {
    const finding = await check(config).catch(cannotLook);
    if (!finding.isGood) failed += 1;
    process.stdout.write(isJson ? `${JSON.stringify({ check: name, ...finding })}\n` : screenLine(name, finding));
  }
  if (!isJson) process.stdout.write(tally(failed));
  return failed === 0 ? EXIT.done : EXIT.usage;
}

function screenLine(name: string, { isGood, seen, remedy }: Finding): string {
  const line = `  ${name.padEnd(13)} ${isGood ? "pass" : "FAIL"}  ${seen}\n`;
  return remedy === undefined ? line : `${line}${" ".repeat(22)}-> ${remedy}\n`;
}

function tally(failed: number): string {
  const count = Object.keys(CHECKS).length;
  if (failed === 0) return `${count} of ${count} passed\nNext: nothing\n`;
  return `${count - failed} of ${count} passed, ${failed} FAILED\nNext: as the arrows say, then airlockd --doctor again\n`;
}

/** What could not be looked at is not good. */
function cannotLook(error: unknown): Finding {
  const { code, path } = error as { code?: unknown; path?: unknown };
  if (code === "EACCES" || code === "EPERM")
    return bad(`${String(path)} cannot be read by this user`, "run this as root");
  if (typeof code === "string" && path !== undefined)
    return bad(`${String(path)} is missing`, "restore it from the backup, or finish the ceremony");
  return bad(error instanceof Error ? error.message : "the check itself failed", "see guides/incident.md");
}
