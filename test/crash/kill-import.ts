import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { createReceiptApplier, type ReceiptApplier } from "../../src/transfer/apply-receipt.ts";
import { receiptFileName } from "../../src/transfer/receipt.ts";
import { type AirgapSite, LOG_ID, makeSite, OPERATOR, type RegisteredDevice } from "../support/airgap-site.ts";
import { afterMs, type KilledOrEnded, runKilled } from "../support/killed-program.ts";
import { runReal } from "../support/real-programs.ts";
import { SeededRandom } from "./random.ts";

/** Rounds between two runs that are left alone. */
const CALM_EVERY = 10;
const DEVICES_PER_BUNDLE = 4;

/**
 * `airlock-import run`, killed again and again at any moment, against an API that fails, delays, and loses its answers
 * after having acted. What must hold: each device exists once, under its name; each receipt says what is so.
 */
export class ImportKills {
  readonly tally = { kills: 0, ended: 0, calm: 0, bundles: 0, devices: 0, receipts: 0, faults: 0 };
  readonly #dir: string;
  readonly #site: AirgapSite;
  readonly #factory: FoundriesApiSandbox;
  readonly #applier: ReceiptApplier;
  readonly #random: SeededRandom;
  readonly #expected = new Map<string, RegisteredDevice>();
  /** When each device was created, as first seen: a second creation would change it. */
  readonly #createdAt = new Map<string, string>();
  #usualMs = 1_500;

  private constructor(dir: string, site: AirgapSite, factory: FoundriesApiSandbox, seed: number) {
    this.#dir = dir;
    this.#site = site;
    this.#factory = factory;
    this.#applier = createReceiptApplier(site.log);
    this.#random = new SeededRandom(seed);
  }

  static async make(seed: number): Promise<ImportKills> {
    const dir = await mkdtemp(join(tmpdir(), "airlock-kill-import-"));
    const site = await makeSite();
    const { pki } = site;
    const factory = await startFoundriesApi({ factory: pki.factory, deviceCasPem: pki.deviceCa.pem });
    const kills = new ImportKills(dir, site, factory, seed);
    await mkdir(join(dir, "medium"));
    await kills.#prepareImporter();
    return kills;
  }

  async remove(): Promise<void> {
    await this.#factory.close();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** One new bundle and one kill; every tenth time nobody strikes, and the receipt goes back. */
  async round(): Promise<void> {
    await this.#newBundle();
    this.#armFaults();
    const { isKilled, code, output, tookMs } = await this.#killOnce();
    if (isKilled) this.tally.kills++;
    else {
      this.tally.ended++;
      this.#usualMs = tookMs;
      // Done, delivered in part, or the API was not to be reached: nothing else may come of such an API.
      assert.ok([0, 3, 8, 13].includes(code ?? -1), output);
    }
    this.#lookAtFactory();
    if ((this.tally.kills + this.tally.ended) % CALM_EVERY === 0) await this.calm();
  }

  /** A run that nothing disturbs: afterwards everything is delivered, and the receipt is right. */
  async calm(): Promise<void> {
    this.#factory.faults.clear();
    const ran = await this.#run();
    assert.ok(ran.code === 0 || ran.code === 3, ran.out + ran.err);
    this.tally.calm++;
    this.#lookAtFactory();
    for (const { uuid, name, pem } of this.#expected.values()) {
      const device = this.#factory.devices.get(uuid);
      assert.equal(device?.name, name);
      assert.equal(device?.certificatePem, pem);
    }
    assert.equal(this.#factory.devices.size, this.#expected.size);
    await this.#applyReceipt();
    // What has its receipt goes out no more.
    await rm(join(this.#dir, "medium"), { recursive: true });
    await mkdir(join(this.#dir, "medium"));
  }

  /** The last word: one more bundle, and nobody strikes. */
  async finish(): Promise<void> {
    await this.#newBundle();
    await this.calm();
  }

  async #applyReceipt(): Promise<void> {
    const back = join(this.#dir, "back");
    const newest = (await readdir(back)).sort().at(-1) ?? "";
    const before = this.#site.log.bundles().filter(({ isAcknowledged }) => !isAcknowledged);
    const applied = await this.#applier.apply(await readFile(join(back, newest)), OPERATOR);
    const { receipt, delivered, duplicates, rejected } = applied;
    this.tally.receipts = receipt.number;
    assert.equal(newest, receiptFileName(receipt));
    assert.deepEqual([rejected, receipt.missing, receipt.gaps], [[], [], []]);
    // Nobody else created a device: whatever was found there was ours, from a try whose answer was lost.
    assert.equal(duplicates, 0);
    assert.ok(delivered >= before.reduce((sum, { registrations }) => sum + registrations, 0));
    assert.equal(
      this.#site.log.bundles().every(({ isAcknowledged }) => isAcknowledged),
      true,
    );
    assert.equal(receipt.thru.seq, this.#site.log.bundles().at(-1)?.last);
  }

  async #newBundle(): Promise<void> {
    for (let i = 0; i < DEVICES_PER_BUNDLE; i++) {
      const device = await this.#site.register();
      this.#expected.set(device.uuid, device);
      this.tally.devices++;
    }
    await this.#site.writeBundle(await this.#site.seal(), join(this.#dir, "medium"));
    this.tally.bundles++;
  }

  #armFaults(): void {
    const { faults } = this.#factory;
    faults.clear();
    for (let i = 0; i < 60; i++) {
      const draw = this.#random.next();
      if (draw < 0.5) faults.set({ kind: "latency", ms: this.#random.between(0, 40) });
      else if (draw < 0.6) faults.set({ kind: "status", status: 503 });
      else if (draw < 0.65) faults.set({ kind: "status", status: 429, retryAfter: "0" });
      else if (draw < 0.8) faults.set({ kind: "drop-after" });
      else if (draw < 0.9) faults.set({ kind: "drop-before" });
      else faults.set({ kind: "cut-answer" });
      this.tally.faults++;
    }
  }

  /** Half of the blows fall after some requests, half at any time of the program's life. */
  async #killOnce(): Promise<KilledOrEnded> {
    const { requests } = this.#factory;
    const target = requests.length + this.#random.between(1, 30);
    const arrivals = async (ended: AbortSignal) => {
      while (requests.length < target && !ended.aborted) await new Promise((resolve) => setImmediate(resolve));
    };
    const moment = this.#random.isOneIn(2) ? arrivals : afterMs(this.#random.next() * this.#usualMs);
    return await runKilled("airlock-import", this.#args(), moment);
  }

  /** What the Factory has is ours, was created once, and never under another device's name. */
  #lookAtFactory(): void {
    for (const { uuid, name, createdAt } of this.#factory.devices.values()) {
      assert.equal(name, this.#expected.get(uuid)?.name);
      assert.equal(createdAt, this.#createdAt.get(uuid) ?? createdAt);
      this.#createdAt.set(uuid, createdAt);
    }
  }

  #args(): string[] {
    const at = (name: string) => join(this.#dir, name);
    return [
      ...["run", at("medium"), "--state", at("state"), "--receipt-to", at("back"), "--yes"],
      ...["--api", this.#factory.url, "--token-file", at("token")],
    ];
  }

  async #run() {
    const startedMs = performance.now();
    return await runReal("airlock-import", this.#args()).finally(() => {
      this.#usualMs = performance.now() - startedMs;
    });
  }

  async #prepareImporter(): Promise<void> {
    const at = (name: string) => join(this.#dir, name);
    const { pki } = this.#site;
    await writeFile(at("device-ca.pem"), pki.deviceCa.pem);
    await writeFile(at("root.pem"), pki.root.pem);
    await writeFile(at("token"), SANDBOX_TOKEN, { mode: 0o600 });
    const state = ["--state", at("state")];
    await runReal("airlock-import", ["init", "--id", "EU1", ...state]);
    await runReal("airlock-import", [
      ...["trust", "--appliance", pki.appliance, "--factory", pki.factory, "--log", LOG_ID, ...state],
      ...["--device-ca", at("device-ca.pem"), "--factory-root", at("root.pem"), "--yes"],
    ]);
    const pem = await readFile(join(at("state"), "importer.pem"), "utf8");
    const importer = { id: "EU1", sha256: "0".repeat(64), pem };
    await this.#site.log.append({ kind: "act", body: { act: "trust-importer", importer, by: "ceremony" } });
  }
}
