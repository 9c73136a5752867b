import { connectSigner } from "../../../hsm/signer-client.ts";
import { Refusal } from "../../../refusal.ts";
import { bad, type Check, good } from "./finding.ts";

/** The signer answers, its token is the configured one, and its keys are captive: it checks them itself. */
export const checkToken: Check = async ({ signer: { socket, token_serial: serial } }) => {
  const signer = connectSigner(socket);
  try {
    const { state, reason, isCeremony, keys } = await signer.status();
    if (isCeremony)
      return bad("the signer is in ceremony mode", "finish the ceremony, then systemctl start airlock-signer");
    if (state === "ready")
      return good(`token ${serial} is ready: ${keys.map(({ label, tokenLabel = label }) => tokenLabel).join(", ")}`);
    if (state === "sealed") return bad(`token ${serial} is sealed`, reason ?? "call the custodians");
    return bad(`token ${serial} does not answer`, "check the HSM's cable and light, then journalctl -u airlock-signer");
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return bad("the signer does not answer", "systemctl status airlock-signer");
  } finally {
    signer.close();
  }
};
