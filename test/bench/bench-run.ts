import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTransferClient } from "../../src/rpc/transfer-client.ts";
import { OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { BenchSite, type ModuleChoice } from "./bench-site.ts";
import { CsrPool } from "./csr-pool.ts";
import { type Load, runClosedLoad } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { openStreamStation, openUnaryStation, type Station } from "./stations.ts";
import { measureThroughput, type Throughput } from "./throughput.ts";

/** A load that has not ended by then will not. */
const LOAD_LIMIT_MS = 300_000;

export type Transport = "unary" | "stream";

/** What the rows of one run share: one site, one pool of CSRs, and the two throughput runs that two rows look at. */
export class Bench {
  readonly options: BenchOptions;
  readonly dir: string;
  readonly pool = new CsrPool();
  /** Registrations that airlockd has taken since its process began. */
  registered = 0;
  readonly #profileDir: string | undefined;
  readonly #throughput = new Map<Transport, Promise<Throughput>>();
  #site: Promise<BenchSite> | undefined;

  private constructor(options: BenchOptions, dir: string, profileDir: string | undefined) {
    this.options = options;
    this.dir = dir;
    this.#profileDir = profileDir;
  }

  static async open(options: BenchOptions, profileDir?: string): Promise<Bench> {
    return new Bench(options, await mkdtemp(join(tmpdir(), "airlock-bench-")), profileDir);
  }

  /** A count or duration, scaled as the command line asked. */
  scaled(count: number, least = 1): number {
    return Math.max(least, Math.round(count * this.options.scale));
  }

  /** The site, made at the first call. */
  site(): Promise<BenchSite> {
    this.#site ??= BenchSite.start(this.dir, this.#profileDir);
    return this.#site;
  }

  /** The measured throughput run of a transport; rows that look at the same one share it. */
  throughput(transport: Transport): Promise<Throughput> {
    let run = this.#throughput.get(transport);
    if (run === undefined) {
      run = measureThroughput(this, transport);
      this.#throughput.set(transport, run);
    }
    return run;
  }

  /** The same site on another PKCS#11 module, with as many processes that load it. */
  async restartOn(module: ModuleChoice): Promise<void> {
    const site = await this.site();
    await site.stop();
    await site.useModule(module);
    await site.startServices();
    this.registered = 0;
  }

  async openStation(transport: Transport): Promise<Station> {
    const identity = await (await this.site()).identity(STATION);
    return transport === "unary" ? openUnaryStation(identity) : openStreamStation(identity);
  }

  /** Runs a load over one new connection and checks with the appliance that it holds exactly what was answered. */
  async load(station: Station, run: () => Promise<Load>): Promise<Load> {
    const before = await this.#registrations();
    const load = await withinLimit(run()).finally(() => station.close());
    const added = (await this.#registrations()) - before;
    if (added !== load.count) throw new Error(`${load.count} answers, but the log has ${added} more registrations`);
    this.registered += load.count;
    return load;
  }

  /** Registers so many more boards as fast as it goes; not a measurement. */
  async registerMore(count: number): Promise<void> {
    const requests = await this.pool.take(count);
    const station = await this.openStation("stream");
    await this.load(station, () => runClosedLoad(station.send, requests, 64));
  }

  async close(): Promise<void> {
    const site = await this.#site?.catch(() => undefined);
    await site?.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Queued, awaiting a receipt, delivered or rejected: every registration is one of these. */
  async #registrations(): Promise<number> {
    const client = openTransferClient(await (await this.site()).identity(OPERATOR));
    try {
      const { queued, awaitingReceipt, delivered, rejected } = await client.status();
      return Number(queued + awaitingReceipt + delivered + rejected);
    } finally {
      client.close();
    }
  }
}

async function withinLimit(load: Promise<Load>): Promise<Load> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`gave up after ${LOAD_LIMIT_MS / 1_000} s`)), LOAD_LIMIT_MS);
  return await Promise.race([load, promise]).finally(() => clearTimeout(timer));
}
