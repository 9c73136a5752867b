import { Refusal } from "../../refusal.ts";

/** What a custodian does about a refusal. */
export function nextStep(error: unknown): string | undefined {
  if (!(error instanceof Refusal)) return undefined;
  switch (error.control) {
    case "DUAL-CONTROL":
      return error.code === "malformed" ? "airlock-custody --help" : decisionStep(error);
    case "ORDER-QUOTA":
      return "airlock-custody order list";
    case "KEY-CAPTIVE":
      return "airlock-custody status";
    case "CLOCK-SANE":
      return "airlock-custody status, then act propose confirm-clock";
    case "ROLE-METHOD":
      return error.code === "conflict" ? "airlock-custody client list" : undefined;
    default:
      return undefined;
  }
}

function decisionStep({ code, field }: Refusal): string {
  if (field === "role" || field === "fingerprint")
    return "airlock-custody act propose enroll-custodian, or revoke-custodian";
  if (field === "encrypted_share") return "airlock-custody status";
  return code === "exhausted" ? "airlock-custody act list" : "airlock-custody act list --all";
}
