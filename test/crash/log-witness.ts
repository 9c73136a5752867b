import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { lineHash, ZERO_HASH } from "../../src/log/chain.ts";
import type { RegistrationRecord, SealRecord } from "../../src/log/record.ts";
import { parseRecord } from "../../src/log/record-codec.ts";
import { registrationKey } from "../../src/log/record-key.ts";
import type { ReceivedCertificate } from "./received-ledger.ts";

interface Witnessed {
  readonly seq: number;
  readonly hash: string;
  readonly certificatePem: string;
}

/**
 * Reads the journal's files beside the appliance, with nothing of the log's own reading code but the codec: form,
 * density and chain of every line, and that no uuid, public key, certificate, serial or ledger number is there twice.
 */
export class LogWitness {
  readonly #journalDir: string;
  readonly #byUuid = new Map<string, Witnessed>();
  readonly #seen = new Set<string>();
  #seq = 0;
  #hash = ZERO_HASH;
  #segment = "";
  #offset = 0;
  #unissued = 0;
  #sealedThrough = 0;
  readonly #bundles = new Set<string>();

  constructor(journalDir: string) {
    this.#journalDir = journalDir;
  }

  get records(): number {
    return this.#seq;
  }

  get unissued(): number {
    return this.#unissued;
  }

  /** Takes in what was appended since the last time. */
  async follow(): Promise<void> {
    const names = (await readdir(this.#journalDir)).filter((name) => name.endsWith(".ndjson")).sort();
    for (const name of names.filter((name) => name >= this.#segment)) {
      if (name !== this.#segment) this.#offset = 0;
      this.#segment = name;
      const bytes = await readFile(join(this.#journalDir, name));
      assert.ok(bytes.length >= this.#offset, "the journal is shorter than it was");
      this.#take(bytes);
    }
  }

  /** What the client holds is in the log, byte for byte, under the number that it was told. */
  checkReceived({ uuid, sequence, certificatePem }: ReceivedCertificate): void {
    const record = this.#byUuid.get(uuid);
    assert.ok(record !== undefined, `the certificate of ${uuid}, answered as record ${sequence}, is not in the log`);
    assert.equal(record.seq, sequence);
    assert.equal(record.certificatePem, certificatePem);
  }

  certificateOf(uuid: string): string | undefined {
    return this.#byUuid.get(uuid)?.certificatePem;
  }

  /** What the appliance serves is the journal's very line. */
  checkServed(uuid: string, recordJson: string): void {
    assert.equal(lineHash(`${recordJson}\n`), this.#byUuid.get(uuid)?.hash);
  }

  checkSealed(bundleId: string): void {
    assert.ok(this.#bundles.has(bundleId), `bundle ${bundleId}, whose seal was answered, is not in the log`);
  }

  #take(bytes: Buffer): void {
    for (let lf = bytes.indexOf(0x0a, this.#offset); lf >= 0; lf = bytes.indexOf(0x0a, this.#offset)) {
      const line = bytes.toString("latin1", this.#offset, lf + 1);
      const record = parseRecord(line);
      assert.equal(record.seq, this.#seq + 1);
      assert.equal(record.prev, this.#hash);
      this.#seq = record.seq;
      this.#hash = lineHash(line);
      this.#offset = lf + 1;
      if (record.kind === "unissued") this.#unissued++;
      const isCarried = record.kind === "registration" && record.former !== undefined;
      if ("ledger" in record && !isCarried) this.#once(`ledger ${record.ledger}`);
      if (record.kind === "registration") this.#register(record);
      if (record.kind === "seal") this.#seal(record);
    }
  }

  /** Bundles follow each other without a gap: no record is in two, none between two. */
  #seal({ bundle, id, first, last }: SealRecord): void {
    assert.equal(bundle, this.#bundles.size + 1);
    assert.equal(first, this.#sealedThrough + 1);
    this.#sealedThrough = last;
    this.#bundles.add(id);
  }

  #register(record: RegistrationRecord): void {
    const { device, cert } = record;
    this.#once(`uuid ${device.uuid}`);
    this.#once(`key ${registrationKey(record)}`);
    this.#once(`certificate ${cert.sha256}`);
    this.#once(`serial ${cert.serial}`);
    this.#byUuid.set(device.uuid, { seq: record.seq, hash: this.#hash, certificatePem: cert.pem });
  }

  #once(what: string): void {
    assert.ok(!this.#seen.has(what), `${what} is in the log twice`);
    this.#seen.add(what);
  }
}
