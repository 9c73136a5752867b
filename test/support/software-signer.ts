import { createHash, sign } from "node:crypto";
import type { KeyLabel, LogHead, SignerState } from "../../src/hsm/messages.ts";
import type { Signer } from "../../src/hsm/signer.ts";
import { Refusal } from "../../src/refusal.ts";
import { parseSignedAttributes } from "../../src/x509/cms-attributes.ts";
import type { SoftwarePki } from "./software-pki.ts";

/** A signer with keys in software, a ledger in memory and the gate's rule for bundle-sign. */
export interface SoftwareSigner extends Signer {
  state: SignerState;
  /** Called inside status() once its answer is fixed: moves the ledger under the caller's feet. */
  afterStatus?: () => Promise<unknown>;
  /** As if other certificates had been signed that no record accounts for. */
  addCertificates(count: number): void;
}

export function makeSoftwareSigner(pki: SoftwarePki): SoftwareSigner {
  let number = 0;
  let certificates = 0;
  let hash = "0".repeat(64);
  let head: LogHead = { seq: 0, hash };
  const addLine = (newHead: LogHead) => {
    number++;
    head = newHead;
    hash = createHash("sha256").update(`${hash}${number}`).digest("hex");
    return number;
  };
  const signer: SoftwareSigner = {
    state: "ready",
    async status() {
      const status = { state: signer.state, isCeremony: false, tokenSerial: "0000", keys: [] };
      const answer = { ...status, ledger: { number, hash, certificates, head } };
      await signer.afterStatus?.();
      return answer;
    },
    async sign(key: KeyLabel, tbs: Buffer, newHead: LogHead) {
      if (signer.state === "sealed") throw new Refusal("SIGNER-GATE", "needs-person", "The HSM is sealed.");
      if (signer.state === "away") throw new Refusal("SERVICE-STATE", "away", "The HSM is away.");
      if (key === "bundle-sign") {
        const { ledgerCount, ledgerHash } = parseSignedAttributes(tbs, "SIGNER-GATE");
        if (ledgerCount !== certificates || ledgerHash.toString("hex") !== hash) {
          throw new Refusal("SIGNER-GATE", "malformed", "The attribute is not the ledger's state.");
        }
      }
      const { privateKey } = key === "bundle-sign" ? pki.bundleKey : pki.deviceCaKey;
      if (key === "device-ca") certificates++;
      return { signature: sign("sha256", tbs, privateKey), ledger: addLine(newHead) };
    },
    async noteHead(newHead) {
      return addLine(newHead);
    },
    readLedger: async function* () {},
    reload: () => signer.status(),
    presentShare: async () => 0,
    unseal: () => signer.status(),
    seal: () => signer.status(),
    close: () => undefined,
    addCertificates: (count) => {
      certificates += count;
      number += count;
    },
  };
  return signer;
}
