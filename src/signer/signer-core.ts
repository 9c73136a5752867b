import { hash } from "node:crypto";
import {
  KEY_LABELS,
  type KeyLabel,
  type SignerAnswer,
  type SignerKey,
  type SignerRequest,
  type SignerStatus,
} from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import { type CaptiveKeys, checkCaptive, type InstalledCertificates } from "./captive-keys.ts";
import type { KeyFacts, TokenFacts } from "./child-frames.ts";
import { admit, admitCeremony, type GateKnowledge } from "./gate.ts";
import type { Profile } from "./ledger-line.ts";
import { mechanismInput, x509Signature } from "./mechanism.ts";
import type { OpenLedger } from "./open-ledger.ts";
import type { TokenPool } from "./token-pool.ts";

export interface SignerCoreOptions {
  readonly isCeremony: boolean;
  readonly tokenSerial: string;
  readonly factory: string;
  readonly ledger: OpenLedger;
  /** Reads the certificates that are installed now. */
  readonly readCertificates: () => Promise<InstalledCertificates>;
}

type SignRequest = Extract<SignerRequest, { op: "sign" }>;
type CeremonyRequest = Extract<SignerRequest, { op: "sign-ceremony" }>;

/** Gate, token and ledger put together: the order of the three is the promise. */
export class SignerCore {
  readonly #options: SignerCoreOptions;
  #pool: TokenPool | undefined;
  #keys: CaptiveKeys = new Map();
  #installed: InstalledCertificates = { deviceCa: undefined, lineCa: undefined };
  /** Ceremony profiles that are being signed right now; the ledger knows those that were. */
  readonly #ceremonies = new Set<Profile>();

  constructor(options: SignerCoreOptions) {
    this.#options = options;
  }

  /** Reads the certificates, then starts the token under KEY-CAPTIVE. */
  async start(pool: TokenPool): Promise<void> {
    this.#pool = pool;
    this.#installed = await this.#options.readCertificates();
    await pool.start();
  }

  /** KEY-CAPTIVE after every login and every new session. @throws Refusal */
  checkFacts(facts: TokenFacts): void {
    this.#keys = new Map();
    this.#keys = checkCaptive(facts, this.#installed);
  }

  /** Answers one request; never rejects for what a client may cause. */
  async answer(request: SignerRequest): Promise<SignerAnswer> {
    const { id } = request;
    switch (request.op) {
      case "status":
        return { id, ok: true, status: this.#status() };
      case "sign":
        return { id, ok: true, ...(await this.#sign(request)) };
      case "note-head":
        return { id, ok: true, ledger: await this.#ledger.append({ profile: "head", head: request.head }) };
      case "read-ledger":
        return { id, ok: true, lines: await this.#options.ledger.reader.readAfter(request.after) };
      case "reload":
        return { id, ok: true, status: await this.#reload() };
      case "generate-keys":
        return { id, ok: true, status: await this.#generate() };
      case "sign-ceremony":
        return { id, ok: true, ...(await this.#signCeremony(request)) };
    }
  }

  get #ledger() {
    return this.#options.ledger.ledger;
  }

  get #known(): GateKnowledge {
    return { keys: this.#keys, installed: this.#installed, factory: this.#options.factory };
  }

  async #sign({ key, tbs, head }: SignRequest): Promise<{ signature: string; ledger: number }> {
    const bytes = Buffer.from(tbs, "base64");
    const profile = admit(key, bytes, this.#ledger.state(), this.#known);
    const signature = await this.#useKey(key, bytes);
    // Nothing is durable yet, and the signature is nowhere but here: dying now wastes it.
    const entry = { profile, signed: { key, tbs: hash("sha256", bytes, "hex") }, head };
    // A bundle's statement about the ledger must still be true of the very line before its own.
    const check = profile === "bundle-attributes" ? admitAgain(key, bytes, this.#known) : undefined;
    const ledger = await this.#ledger.append(entry, check);
    // SIGN-LEDGER: the line is on disk; only now may the signature leave.
    return { signature: signature.toString("base64"), ledger };
  }

  async #signCeremony({ key, tbs }: CeremonyRequest): Promise<{ signature: string; ledger: number }> {
    this.#checkCeremony();
    const bytes = Buffer.from(tbs, "base64");
    const profile = admitCeremony(key, bytes, this.#known);
    if (this.#ceremonies.has(profile) || (await this.#options.ledger.reader.hasProfile(profile))) {
      throw new Refusal("SIGNER-GATE", "conflict", "The ledger shows that this was signed at the ceremony already.");
    }
    this.#ceremonies.add(profile);
    try {
      const signature = await this.#useKey(key, bytes);
      const entry = { profile, signed: { key, tbs: hash("sha256", bytes, "hex") }, head: this.#ledger.state().head };
      const ledger = await this.#ledger.append(entry);
      return { signature: signature.toString("base64"), ledger };
    } finally {
      this.#ceremonies.delete(profile);
    }
  }

  async #useKey(label: KeyLabel, bytes: Buffer): Promise<Buffer> {
    const key = this.#keys.get(label);
    if (this.#pool === undefined || key === undefined) {
      // Not ready, or barred: the pool knows why and says so.
      await this.#pool?.sign(KEY_LABELS.indexOf(label), Buffer.alloc(32)).catch((error: unknown) => {
        if (error instanceof Refusal) throw error;
      });
      throw new Refusal(
        "KEY-CAPTIVE",
        "needs-person",
        `The token has no key ${label} that may sign. Check the ceremony.`,
      );
    }
    return x509Signature(key.kind, await this.#pool.sign(key.index, mechanismInput(key.kind, bytes)));
  }

  async #generate(): Promise<SignerStatus> {
    this.#checkCeremony();
    await this.#pool?.generate();
    return this.#status();
  }

  async #reload(): Promise<SignerStatus> {
    this.#installed = await this.#options.readCertificates();
    await this.#pool?.recheck();
    return this.#status();
  }

  #checkCeremony(): void {
    if (this.#options.isCeremony) return;
    throw new Refusal("SIGNER-GATE", "forbidden", "The signer is not in ceremony mode. Nothing was signed or made.");
  }

  #status(): SignerStatus {
    const { isCeremony, tokenSerial } = this.#options;
    const keys = [...this.#keys.values()].map(({ facts, spkiDer }) => describeKey(facts, spkiDer));
    return { state: this.#pool?.state ?? "away", isCeremony, tokenSerial, keys, ledger: this.#ledger.state() };
  }
}

function admitAgain(key: KeyLabel, bytes: Buffer, known: GateKnowledge) {
  return (before: Parameters<typeof admit>[2]) => {
    admit(key, bytes, before, known);
  };
}

function describeKey(facts: KeyFacts, spkiDer: Buffer): SignerKey {
  return {
    label: KEY_LABELS.find((label) => label === facts.label) ?? "device-ca",
    spki: spkiDer.toString("base64"),
    sensitive: facts.sensitive === true,
    alwaysSensitive: facts.alwaysSensitive === true,
    extractable: facts.extractable !== false,
    neverExtractable: facts.neverExtractable === true,
    local: facts.local === true,
  };
}
