import assert from "node:assert/strict";
import { createHash, verify } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { CeremonySigner } from "../../src/hsm/signer-client.ts";
import { Refusal } from "../../src/refusal.ts";
import { continuesLedger, type LedgerLine, ledgerHash, parseLedgerLine } from "../../src/signer/ledger-line.ts";
import type { CaCertificate } from "../../src/x509/ca-certificate.ts";
import { importPublicKey } from "../../src/x509/key-policy.ts";
import { deviceTbs, makeSpki, NO_HEAD } from "./signer-site.ts";

/** What clients do between a refusal and the next request, in milliseconds. */
const BACKOFF_MS = 20;

interface Answered {
  readonly tbs: Buffer;
  readonly signature: Buffer;
  readonly ledger: number;
}

/** What became of all requests of a load; `asked` is the sum of the other two, or a request was lost. */
export interface LoadReport {
  readonly asked: number;
  readonly answered: readonly Answered[];
  readonly refused: readonly Refusal[];
}

/** So many requests for device certificates in flight at every instant, until it is stopped. */
export class Load {
  readonly #signer: CeremonySigner;
  readonly #ca: CaCertificate;
  readonly #spki = makeSpki();
  readonly #loops: Promise<void>[];
  readonly #answered: Answered[] = [];
  readonly #refused: Refusal[] = [];
  #asked = 0;
  #isStopped = false;

  constructor(signer: CeremonySigner, ca: CaCertificate, inFlight: number) {
    this.#signer = signer;
    this.#ca = ca;
    this.#loops = Array.from({ length: inFlight }, () => this.#loop());
  }

  /** Resolves when so many more have been answered. */
  async more(count: number): Promise<void> {
    const wanted = this.#answered.length + count;
    while (this.#answered.length < wanted) await pause(5);
  }

  async stop(): Promise<LoadReport> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
    return { asked: this.#asked, answered: this.#answered, refused: this.#refused };
  }

  async #loop(): Promise<void> {
    while (!this.#isStopped) {
      const tbs = deviceTbs(this.#ca, this.#spki);
      this.#asked += 1;
      try {
        this.#answered.push({ tbs, ...(await this.#signer.sign("device-ca", tbs, NO_HEAD)) });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.#refused.push(error);
        await pause(BACKOFF_MS);
      }
    }
  }
}

/** Answers whose signature does not verify with the CA's key: airlockd finds these out before it stores anything. */
export function wrongAnswers({ answered }: LoadReport, { spkiDer }: CaCertificate): number {
  const key = importPublicKey(spkiDer);
  return answered.filter(({ tbs, signature }) => !verify("sha256", tbs, key, signature)).length;
}

/**
 * Nothing lost, nothing answered twice, and every signature that left has a line of its own in a whole ledger.
 * @param text of the ledger's file
 */
export function checkAccounts({ asked, answered, refused }: LoadReport, text: string): void {
  assert.equal(asked, answered.length + refused.length);
  const lines = readLines(text);
  for (const { tbs, ledger } of answered) {
    assert.equal(lines[ledger - 1]?.signed?.tbs, createHash("sha256").update(tbs).digest("hex"));
  }
  assert.equal(new Set(answered.map(({ ledger }) => ledger)).size, answered.length);
}

function readLines(text: string): LedgerLine[] {
  let before: { line: LedgerLine; hash: string } | undefined;
  return text
    .split("\n")
    .slice(0, -1)
    .map((bare) => {
      const line = parseLedgerLine(`${bare}\n`);
      assert.ok(line !== undefined && continuesLedger(line, before));
      before = { line, hash: ledgerHash(`${bare}\n`) };
      return line;
    });
}
