import { hash } from "node:crypto";
import { KEY_LABELS, type TokenLabel } from "../hsm/key-labels.ts";
import type { LedgerState, LogHead, SignerKey, SignerRequest, SignerStatus } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import type { CaptiveKey, InstalledCertificates, KeyUse } from "./captive-keys.ts";
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
  readonly use: KeyUse;
  /** What the ledger calls the key. */
  readonly key: TokenLabel;
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
    const keys = KEY_LABELS.flatMap((label) => describeKey(label, pool.keys.get(label)));
    const [nextDeviceCa] = describeKey("device-ca", pool.keys.get("next-device-ca"));
    const facts = { state: pool.state, isCeremony, tokenSerial, keys, ledger: ledger.state() };
    const status = { ...facts, ...(nextDeviceCa && { nextDeviceCa }), sealing: sealing.state() };
    return pool.barred === undefined ? status : { ...status, reason: pool.barred.message };
  }

  /** @throws Refusal by SIGNER-GATE, KEY-CAPTIVE, STORE-SPACE, STORE-HEAD or the token's state */
  async sign({ key, tbs, head }: Extract<SignerRequest, { op: "sign" }>): Promise<Signed> {
    const bytes = Buffer.from(tbs, "base64");
    const profile = admit(key, bytes, this.#parts.ledger.state(), this.#knowledge());
    await this.#parts.space.check(profile);
    const work = { use: key, key, tbs: bytes, profile, head };
    if (profile !== "bundle-attributes") return await this.#signAdmitted(work);
    // Others may sign meanwhile: what the bundle states must still be true when its own line is written.
    const check = (before: LedgerState) => void admit(key, bytes, before, this.#knowledge());
    return await this.#signAdmitted({ ...work, check });
  }

  /** @throws Refusal SIGNER-GATE outside ceremony mode and the second time with one key */
  async signCeremony({ key, tbs }: Extract<SignerRequest, { op: "sign-ceremony" }>): Promise<Signed> {
    this.#checkCeremony();
    const bytes = Buffer.from(tbs, "base64");
    const { profile, use } = admitCeremony(key, bytes, this.#knowledge());
    const label = this.#parts.pool.keys.get(use)?.label ?? key;
    if (this.#ceremonies.has(profile)) throw signedBefore();
    this.#ceremonies.add(profile);
    try {
      const former = await this.#parts.reader.firstSigned(label, profile);
      // The very same bytes again are no second certificate: a crash kept the first signature from being written down.
      if (former !== undefined && former !== hash("sha256", bytes, "hex")) throw signedBefore();
      const { head } = this.#parts.ledger.state();
      return await this.#signAdmitted({ use, key: label, tbs: bytes, profile, head });
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

  /**
   * The key of the device CA that comes next; its certificate is the Factory root's to give.
   * @throws Refusal SIGNER-GATE outside ceremony mode, before a first one is installed, or when there is a next one
   */
  async generateNextKey(): Promise<SignerStatus> {
    this.#checkCeremony();
    if (this.#parts.installed().deviceCa === undefined) throw notHeld();
    await this.#parts.pool.generateNextDeviceCa();
    return this.status();
  }

  async #signAdmitted({ use, key, tbs, profile, head, check }: Work): Promise<Signed> {
    const sha256Hex = hash("sha256", tbs, "hex");
    const signature = await this.#useKey(use, tbs, sha256Hex, profile);
    // Nothing is durable yet, and the signature is nowhere but here: dying now wastes it.
    const ledger = await this.#parts.ledger.append({ profile, signed: { key, tbs: sha256Hex }, head }, check);
    // SIGN-LEDGER: the line is on disk; only now may the signature leave.
    return { signature, ledger };
  }

  async #useKey(use: KeyUse, tbs: Buffer, sha256Hex: string, profile: Profile): Promise<Buffer> {
    const { pool } = this.#parts;
    const key = pool.keys.get(use);
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

/** None for a key that is not there. */
function describeKey(label: SignerKey["label"], key: CaptiveKey | undefined): SignerKey[] {
  if (key === undefined) return [];
  const { facts, spkiDer } = key;
  const described = {
    label,
    ...(key.label === label ? {} : { tokenLabel: key.label }),
    spki: spkiDer.toString("base64"),
    sensitive: facts.sensitive === true,
    alwaysSensitive: facts.alwaysSensitive === true,
    extractable: facts.extractable !== false,
    neverExtractable: facts.neverExtractable === true,
    local: facts.local === true,
  };
  return [described];
}

function notHeld(): Refusal {
  const sentence = "There is no device CA to follow yet. Hold the ceremony first: airlock-custody init";
  return new Refusal("SIGNER-GATE", "needs-person", sentence);
}

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
