import { hash } from "node:crypto";
import type { KeyLabel, LedgerState, LogHead, SignerKey, SignerRequest, SignerStatus } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import type { InstalledCertificates } from "./captive-keys.ts";
import { admit, admitCeremony, type GateKnowledge } from "./gate.ts";
import type { Ledger, LedgerCheck } from "./ledger.ts";
import type { Profile } from "./ledger-line.ts";
import type { LedgerSpace } from "./ledger-space.ts";
import { mechanismInput, noSignature, x509Signature } from "./mechanism.ts";
import { verifies } from "./prove-keys.ts";
import type { LedgerReader } from "./read-ledger.ts";
import type { Sealing } from "./sealing.ts";
import type { TokenPool } from "./token-pool.ts";

export interface SignerParts {
  readonly isCeremony: boolean;
  readonly tokenSerial: string;
  readonly factory: string;
  readonly ledger: Ledger;
  readonly reader: LedgerReader;
  readonly space: LedgerSpace;
  readonly pool: TokenPool;
  readonly sealing: Sealing;
  /** Certificates that are installed, as of the last reload. */
  readonly installed: () => InstalledCertificates;
  readonly reload: () => Promise<void>;
}

export interface Signed {
  /** X.509 form. */
  readonly signature: Buffer;
  readonly ledger: number;
}

interface Work {
  readonly key: KeyLabel;
  readonly tbs: Buffer;
  readonly profile: Profile;
  readonly head: LogHead;
  /** Must hold of the very line before this signature's own. */
  readonly check?: LedgerCheck;
}

/** Gate, token and ledger put together: the order of the three is the promise. All calls may run concurrently. */
export class SignerCore {
  readonly #parts: SignerParts;
  /** Ceremony profiles that are being signed right now; the ledger knows those that were. */
  readonly #ceremonies = new Set<Profile>();

  constructor(parts: SignerParts) {
    this.#parts = parts;
  }

  get sealing(): Sealing {
    return this.#parts.sealing;
  }

  status(): SignerStatus {
    const { pool, isCeremony, tokenSerial, ledger, sealing } = this.#parts;
    const keys = [...pool.keys].map(([label, { facts, spkiDer }]) => describeKey(label, facts, spkiDer));
    const facts = { state: pool.state, isCeremony, tokenSerial, keys, ledger: ledger.state() };
    const status = { ...facts, sealing: sealing.state() };
    return pool.barred === undefined ? status : { ...status, reason: pool.barred.message };
  }

  /** @throws Refusal by SIGNER-GATE, KEY-CAPTIVE, STORE-SPACE, STORE-HEAD or the token's state */
  async sign({ key, tbs, head }: Extract<SignerRequest, { op: "sign" }>): Promise<Signed> {
    const bytes = Buffer.from(tbs, "base64");
    const profile = admit(key, bytes, this.#parts.ledger.state(), this.#knowledge());
    await this.#parts.space.check(profile);
    if (profile !== "bundle-attributes") return await this.#signAdmitted({ key, tbs: bytes, profile, head });
    // Others may sign meanwhile: what the bundle states must still be true when its own line is written.
    const check = (before: LedgerState) => void admit(key, bytes, before, this.#knowledge());
    return await this.#signAdmitted({ key, tbs: bytes, profile, head, check });
  }

  /** @throws Refusal SIGNER-GATE outside ceremony mode and the second time */
  async signCeremony({ key, tbs }: Extract<SignerRequest, { op: "sign-ceremony" }>): Promise<Signed> {
    this.#checkCeremony();
    const bytes = Buffer.from(tbs, "base64");
    const profile = admitCeremony(key, bytes, this.#knowledge());
    if (this.#ceremonies.has(profile)) throw signedBefore();
    this.#ceremonies.add(profile);
    try {
      const former = await this.#parts.reader.firstSigned(profile);
      // The very same bytes again are no second certificate: a crash kept the first signature from being written down.
      if (former !== undefined && former !== hash("sha256", bytes, "hex")) throw signedBefore();
      const { head } = this.#parts.ledger.state();
      return await this.#signAdmitted({ key, tbs: bytes, profile, head });
    } finally {
      this.#ceremonies.delete(profile);
    }
  }

  async noteHead(head: LogHead): Promise<number> {
    return await this.#parts.ledger.append({ profile: "head", head });
  }

  /**
   * A new log's head counts from here on, in a ledger that ends with line `after`. At the console alone: a taken-over
   * airlockd must not be able to make a rolled-back log look right (STORE-HEAD).
   * @throws Refusal SIGNER-GATE outside ceremony mode; STORE-HEAD when the ledger has gone on
   */
  async beginEpoch({ head, after }: Extract<SignerRequest, { op: "begin-epoch" }>): Promise<number> {
    this.#checkCeremony();
    return await this.#parts.ledger.append({ profile: "epoch", head }, ({ number, hash: last }) => {
      if (number === after.number && last === after.hash) return;
      const sentence = "The signer's ledger has gone on since the new log was decided on. Nothing was noted.";
      throw new Refusal("STORE-HEAD", "conflict", sentence);
    });
  }

  async readLedger(after: number): Promise<string[]> {
    return await this.#parts.reader.readAfter(after);
  }

  async reload(): Promise<SignerStatus> {
    await this.#parts.reload();
    await this.#parts.pool.recheck();
    return this.status();
  }

  /** @throws Refusal SIGNER-GATE outside ceremony mode, or when the token has any of the keys */
  async generateKeys(): Promise<SignerStatus> {
    this.#checkCeremony();
    await this.#parts.pool.generate();
    return this.status();
  }

  async #signAdmitted({ key, tbs, profile, head, check }: Work): Promise<Signed> {
    const sha256Hex = hash("sha256", tbs, "hex");
    const signature = await this.#useKey(key, tbs, sha256Hex, profile);
    // Nothing is durable yet, and the signature is nowhere but here: dying now wastes it.
    const ledger = await this.#parts.ledger.append({ profile, signed: { key, tbs: sha256Hex }, head }, check);
    // SIGN-LEDGER: the line is on disk; only now may the signature leave.
    return { signature, ledger };
  }

  async #useKey(label: KeyLabel, tbs: Buffer, sha256Hex: string, profile: Profile): Promise<Buffer> {
    const { pool } = this.#parts;
    const key = pool.keys.get(label);
    if (key === undefined) throw pool.barred ?? notReady();
    const answer = await pool.sign(key.index, mechanismInput(key.kind, tbs, sha256Hex));
    const signature = x509Signature(key, answer);
    // airlockd verifies every device certificate before it stores it (CERT-PROFILE), and doing it here too would
    // halve the rate. The rare others are verified at once.
    if (profile !== "device" && !verifies(key, tbs, signature)) {
      pool.restartChildren();
      throw noSignature();
    }
    return signature;
  }

  /** @throws Refusal while nothing may be signed whatever it is */
  #knowledge(): GateKnowledge {
    const { pool } = this.#parts;
    if (pool.barred !== undefined) throw pool.barred;
    if (pool.keys.size === 0 && pool.state === "away") throw notReady();
    return { keys: this.#parts.pool.keys, installed: this.#parts.installed(), factory: this.#parts.factory };
  }

  #checkCeremony(): void {
    if (this.#parts.isCeremony) return;
    throw new Refusal("SIGNER-GATE", "forbidden", "The signer is not in ceremony mode. Nothing was signed or made.");
  }
}

function describeKey(label: KeyLabel, facts: KeyFlags, spkiDer: Buffer): SignerKey {
  return {
    label,
    spki: spkiDer.toString("base64"),
    sensitive: facts.sensitive === true,
    alwaysSensitive: facts.alwaysSensitive === true,
    extractable: facts.extractable !== false,
    neverExtractable: facts.neverExtractable === true,
    local: facts.local === true,
  };
}

type KeyFlags = Partial<
  Record<"sensitive" | "alwaysSensitive" | "extractable" | "neverExtractable" | "local", boolean>
>;

function signedBefore(): Refusal {
  return new Refusal(
    "SIGNER-GATE",
    "conflict",
    "The ledger shows that other bytes were signed at the ceremony already.",
  );
}

function notReady(): Refusal {
  return new Refusal("SERVICE-STATE", "away", "The HSM is not ready yet. Nothing was issued; try again shortly.");
}
