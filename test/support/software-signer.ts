import { createHash, sign } from "node:crypto";
import type { KeyLabel, LogHead, SignerState } from "../../src/hsm/messages.ts";
import type { Signer } from "../../src/hsm/signer.ts";
import { Refusal } from "../../src/refusal.ts";
import { parseSignedAttributes } from "../../src/x509/cms-attributes.ts";
import { LedgerDouble } from "./ledger-double.ts";
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
  const ledger = new LedgerDouble();
  const signer: SoftwareSigner = {
    state: "ready",
    async status() {
      const status = { state: signer.state, isCeremony: false, tokenSerial: "0000", keys: [] };
      const answer = { ...status, ledger: ledger.state };
      await signer.afterStatus?.();
      return answer;
    },
    async sign(key: KeyLabel, tbs: Buffer, newHead: LogHead) {
      if (signer.state === "sealed") throw new Refusal("SIGNER-GATE", "needs-person", "The HSM is sealed.");
      if (signer.state === "away") throw new Refusal("SERVICE-STATE", "away", "The HSM is away.");
      if (key === "bundle-sign") {
        const { ledgerCount, ledgerHash } = parseSignedAttributes(tbs, "SIGNER-GATE");
        if (ledgerCount !== ledger.certificates || ledgerHash.toString("hex") !== ledger.state.hash) {
          throw new Refusal("SIGNER-GATE", "malformed", "The attribute is not the ledger's state.");
        }
      }
      const { privateKey } = key === "bundle-sign" ? pki.bundleKey : pki.deviceCaKey;
      const profile = key === "bundle-sign" ? "bundle-attributes" : key === "line-ca" ? "server" : "device";
      ledger.add(profile, newHead, createHash("sha256").update(tbs).digest("hex"));
      return { signature: sign("sha256", tbs, privateKey), ledger: ledger.state.number };
    },
    async noteHead(newHead) {
      return ledger.add("head", newHead).state.number;
    },
    readLedger: async function* (after) {
      yield* ledger.lines.slice(after);
    },
    reload: () => signer.status(),
    presentShare: async () => 0,
    unseal: () => signer.status(),
    seal: () => signer.status(),
    close: () => undefined,
    addCertificates: (count) => {
      for (let n = 0; n < count; n++) ledger.add("bundle");
    },
  };
  return signer;
}
