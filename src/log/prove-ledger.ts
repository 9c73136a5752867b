import { hash } from "node:crypto";
import { expectTag, readTlv, readTlvAt, TAG } from "../x509/der.ts";
import { parsePem } from "../x509/pem.ts";
import type { Catalog } from "./catalog.ts";
import { lineHash, ZERO_HASH } from "./chain.ts";
import { CONTINUE, isDeviceCertificate, type LedgerLine, parseLedgerLine } from "./reconcile.ts";
import type { LedgerBaseline, LogRecord } from "./record.ts";
import type { OnProgress, ReportWriter } from "./store-report.ts";

export interface LedgerToProve {
  /** The ledger's lines without LF, in order; undefined when nobody here can read them. */
  readonly lines: AsyncIterable<string> | undefined;
  readonly catalog: Catalog;
  readonly holes: ReadonlySet<number>;
  readonly lineAt: (seq: number) => Promise<string>;
  /** Signatures that a crash may leave without a record. */
  readonly maxInFlight: number;
  readonly report: ReportWriter;
  readonly onProgress: OnProgress;
}

/**
 * Proves the signer's ledger from its first line, and that journal and ledger tell of the same certificates: each
 * record's to-be-signed bytes have the hash that its ledger line states, each head that the ledger has seen is the
 * journal's, and no more signatures lack a record than a crash leaves. Changes nothing.
 */
export async function proveLedger(proof: LedgerToProve): Promise<void> {
  const { lines, report } = proof;
  if (lines === undefined) return report.note(UNREAD);
  const walk = new LedgerWalk(proof, await readBaseline(proof));
  try {
    for await (const text of lines) await walk.line(text);
  } catch {
    return report.damage("ledger", `Its lines cannot be read beyond line ${report.tally.ledgerLines}. ${INSPECT}`);
  }
  walk.end();
}

async function readBaseline({ holes, lineAt }: LedgerToProve): Promise<LedgerBaseline | undefined> {
  if (holes.has(1)) return undefined;
  const genesis = JSON.parse(await lineAt(1)) as LogRecord;
  return genesis.kind === "genesis" ? genesis.continues?.ledger : undefined;
}

class LedgerWalk {
  readonly #proof: LedgerToProve;
  readonly #baseline: LedgerBaseline | undefined;
  /** Records of device-ca certificates by the ledger line that they name. */
  readonly #records: Map<number, number>;
  #number = 0;
  #hash = ZERO_HASH;
  #certificates = 0;
  #unrecorded = 0;
  #newest = 0;

  constructor(proof: LedgerToProve, baseline: LedgerBaseline | undefined) {
    this.#proof = proof;
    this.#baseline = baseline;
    this.#records = recordsByLine(proof.catalog);
  }

  async line(text: string): Promise<void> {
    const { report, onProgress } = this.#proof;
    const line = parseLedgerLine(text);
    const certificates = this.#certificates + (isDeviceCertificate(line) ? 1 : 0);
    if (line.n !== this.#number + 1 || line.prev !== this.#hash || line.certificates !== certificates) {
      report.damage("ledger", `Its line ${this.#number + 1} does not follow the one before it. ${INSPECT}`);
    }
    this.#number = line.n;
    this.#hash = lineHash(`${text}\n`);
    this.#certificates = line.certificates;
    report.tally.ledgerLines++;
    if (line.n === this.#baseline?.number) this.#checkBaseline(this.#baseline);
    if (line.n > (this.#baseline?.number ?? 0)) await this.#checkOwn(line);
    // How many there are is only known at the end.
    onProgress("ledger", line.n, line.n + 1);
  }

  end(): void {
    const { report, maxInFlight } = this.#proof;
    const lost = [...this.#records.keys()].filter((number) => number > this.#number);
    if (lost.length > 0) {
      report.alarm(
        "ledger",
        `It ends at line ${this.#number}; ${lost.length} records name later ones. ${OLDER_LEDGER}`,
      );
    }
    if (this.#baseline !== undefined && this.#number <= this.#baseline.number) report.alarm("ledger", NOT_BEGUN);
    if (this.#unrecorded > maxInFlight) {
      report.alarm("journal", `${this.#unrecorded} signatures of the ledger have no record. ${OLDER_JOURNAL}`);
    } else if (this.#unrecorded > 0) {
      report.note(`${this.#unrecorded} signatures have no record, as a crash leaves them; the next start notes them.`);
    }
  }

  #checkBaseline({ hash: expected, certificates }: LedgerBaseline): void {
    if (this.#hash === expected && this.#certificates === certificates) return;
    this.#proof.report.alarm(
      "ledger",
      `It is not the one that this log began with at line ${this.#number}. ${INSPECT}`,
    );
  }

  async #checkOwn(line: LedgerLine): Promise<void> {
    this.#checkHead(line);
    if (!isDeviceCertificate(line)) return;
    const seq = this.#records.get(line.n);
    if (seq === undefined) this.#unrecorded++;
    else if (!this.#proof.holes.has(seq) && (await this.#tbsOf(seq, line)) !== line.tbs) {
      this.#proof.report.alarm("ledger", `Its line ${line.n} is not of the certificate in record ${seq}. ${CALL}`);
    }
  }

  /** One alarm for each newer head: an older journal lacks all that follow. */
  #checkHead({ n, head }: LedgerLine): void {
    const { catalog, holes, report } = this.#proof;
    if (head.seq <= this.#newest) return;
    this.#newest = head.seq;
    const known = catalog.hashAt(head.seq);
    if (known === head.hash || holes.has(head.seq)) return;
    const what = known === undefined ? `the journal ends at record ${catalog.count}` : "the journal has another one";
    report.alarm("journal", `The ledger's line ${n} has seen record ${head.seq}; ${what}. ${OLDER_JOURNAL}`);
  }

  /** SHA-256 of what was signed for a record. The genesis names its line alone: the bundle signer's certificate. */
  async #tbsOf(seq: number, { tbs }: LedgerLine): Promise<string | undefined> {
    const record = JSON.parse(await this.#proof.lineAt(seq)) as LogRecord;
    if (record.kind === "genesis") return tbs;
    if (record.kind === "unissued") return record.tbsSha256;
    if (record.kind === "act" && record.act === "install-device-ca") return record.tbsSha256;
    if (record.kind !== "registration") return undefined;
    const certificate = readTlv(parsePem(record.cert.pem, "CERTIFICATE"), TAG.sequence);
    return hash("sha256", expectTag(readTlvAt(certificate.content, 0), TAG.sequence).bytes, "hex");
  }
}

function recordsByLine(catalog: Catalog): Map<number, number> {
  const records = new Map<number, number>();
  for (let seq = 1; seq <= catalog.count; seq++) {
    const kind = catalog.kindAt(seq);
    const ledger = catalog.ledgerAt(seq);
    if (ledger > 0 && kind !== "seal") records.set(ledger, seq);
  }
  return records;
}

const INSPECT = "No record is lost by that. Stop the signer and compare its ledger with an older copy.";
const CALL = "Somebody used the signer, or a record was altered. Call the custodians.";
const OLDER_LEDGER = `The ledger is an older copy. Restore the newest one, or ${CONTINUE}`;
const OLDER_JOURNAL = `The journal is an older copy. Restore the newest one, or ${CONTINUE}`;
const NOT_BEGUN =
  "It does not know yet that this log continues another one. Start airlock-signer --ceremony and run airlockd " +
  "--continue-log again.";
const UNREAD =
  "The signer's ledger was not compared: airlock-signer does not answer, and this user cannot read the ledger's file.";
