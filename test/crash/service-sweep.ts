import assert from "node:assert/strict";
import { appendFile, cp, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { loadIdentity } from "../../src/importer/identity.ts";
import { lineHash, ZERO_HASH } from "../../src/log/chain.ts";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import { openRegistrationClient, type StationAnswer } from "../../src/rpc/registration-client.ts";
import { openTransferClient } from "../../src/rpc/transfer-client.ts";
import { createSite, OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, type Running, runProgram, startProgram, waitUntil } from "../../src/sandbox/programs.ts";
import { hasListener, hasSigner, startSigner } from "../../src/sandbox/run-site.ts";
import { type SitePaths, type SitePorts, sitePaths } from "../../src/sandbox/site-files.ts";
import { encodeReceiptPem, signReceipt } from "../../src/transfer/receipt-cms.ts";
import { makeRequest } from "../support/station.ts";
import { LogWitness } from "./log-witness.ts";
import type { Blow, Point } from "./strace-sweep.ts";
import { pathsUnder, pointsOf, TracedProgram, tracedCalls } from "./traced-program.ts";

export type Victim = "airlockd" | "airlock-signer";
/** What a run starts from: stores that were closed, or what killed processes have left. */
export type Scene = "closed" | "killed";

/** A point that a plain run passed by, and what its call was made on. */
export interface ServicePoint extends Point {
  readonly file: string;
}

/** What somebody outside was told before the blow. */
export interface Acknowledged {
  certificate?: StationAnswer;
  bundleId?: string;
  isReceiptApplied?: true;
}

/** LevelDB's own notes and the directories that serve as locks; the PIN's marker is no part of the ledger. */
const IRRELEVANT = /\/journal\/lock\/|\/index\/LOG(\.old)?$|pin-refused/;
const DEADLINE_MS = 8_000;
/** For a program to end whose journal or ledger has failed; so much is only waited where it does not. */
const END_MS = 10_000;
const DIRECTORIES = ["store", "signer"] as const;

/**
 * One real site on which a blow falls at one system call of the real airlockd, or of the real airlock-signer on its
 * ledger, over and over from the same files: start, a registration, a seal, a receipt, an orderly stop.
 */
export class ServiceSweep {
  readonly #root: string;
  readonly #paths: SitePaths;
  readonly #ports: SitePorts;
  readonly #env: Readonly<Record<string, string>>;
  readonly #request = makeRequest();
  readonly #watched = new Map<string, string[]>();
  readonly #running = new Set<{ stop(): Promise<void> }>();
  #receipt: Buffer = Buffer.alloc(0);

  private constructor(root: string, ports: SitePorts, compiled: string) {
    this.#root = root;
    this.#paths = sitePaths(join(root, "site"));
    this.#ports = ports;
    this.#env = { NODE_COMPILE_CACHE: compiled, ...tokenEnvironment(this.#paths.token) };
  }

  /** @param root a directory of its own; @param compiled directory that spares compiling each time */
  static async make(root: string, compiled: string): Promise<ServiceSweep> {
    await mkdir(root, { recursive: true });
    const ports = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
    const sweep = new ServiceSweep(root, ports, compiled);
    await createSite(sweep.#paths, ports, () => undefined);
    await sweep.#fill();
    await sweep.#save("closed");
    await sweep.#leaveKilled();
    await sweep.#save("killed");
    return sweep;
  }

  /** Every call of an undisturbed run that changes a file of the victim's stores, in order. */
  async points(victim: Victim, scene: Scene): Promise<ServicePoint[]> {
    this.#watched.delete(`${victim} ${scene}`);
    const first = await this.#run(victim, scene);
    const store = join(this.#paths.root, victim === "airlockd" ? "store" : "signer");
    this.#watched.set(
      `${victim} ${scene}`,
      pathsUnder(store, first.trace).filter((path) => !IRRELEVANT.test(path)),
    );
    const { trace, told } = await this.#run(victim, scene);
    assert.ok(told.certificate !== undefined && told.bundleId !== undefined && told.isReceiptApplied);
    const calls = tracedCalls(trace);
    return pointsOf(calls).map((point, index) => ({ ...point, file: fileOf(store, calls[index]?.text ?? "") }));
  }

  /**
   * Lets the blow fall, starts everything again and holds it against what was told.
   * @returns what was told before, or undefined when the run never came by the point
   */
  async strike(victim: Victim, scene: Scene, point: ServicePoint, blow: Blow): Promise<Acknowledged | undefined> {
    // Its bytes are in the page cache all the same, so that a wrong answer would not show on reopening.
    const isFinal = /\.ndjson(\.copy)?$/.test(point.file);
    const { told, trace, signal, isEndedByItself } = await this.#run(victim, scene, { point, blow }, isFinal);
    const isHit = blow === "signal=SIGKILL" ? signal === "SIGKILL" : trace.includes("(INJECTED)");
    assert.ok(!isHit || !isFinal || isEndedByItself, `${victim} went on after its ${point.file} had failed`);
    await this.#check(told);
    return isHit ? told : undefined;
  }

  /** Ends what a failed strike has left running. */
  async reset(): Promise<void> {
    for (const program of this.#running) await this.#end(program);
  }

  async remove(): Promise<void> {
    await this.reset();
    await rm(this.#root, { recursive: true, force: true });
  }

  /** A sealed bundle with its receipt, and a registration that is still queued. */
  async #fill(): Promise<void> {
    const signer = await this.#startSigner();
    const daemon = await this.#startDaemon();
    const { certificate } = await this.#ask(makeRequest());
    assert.ok(certificate !== undefined);
    const operator = openTransferClient(await this.#identity(OPERATOR));
    const { bundle } = await operator.seal(false);
    operator.close();
    const { certificate: queued } = await this.#ask(makeRequest());
    assert.ok(bundle !== undefined && queued !== undefined);
    await this.#end(daemon);
    await this.#end(signer);
    this.#receipt = await this.#makeReceipt({
      bundle: bundle.number,
      id: bundle.id,
      last: Number(bundle.lastSequence),
    });
  }

  /** As EU1 would have written it for the first bundle. */
  async #makeReceipt({ bundle, id, last }: { bundle: number; id: string; last: number }): Promise<Buffer> {
    const { key, certificateDer, id: importer } = await loadIdentity(this.#paths.importer);
    const [segment = ""] = (await readdir(this.#journal)).filter((name) => name.endsWith(".ndjson"));
    const line = `${(await readFile(join(this.#journal, segment), "latin1")).split("\n")[last - 1]}\n`;
    const { log } = JSON.parse(line) as { log: string };
    const der = signReceipt(
      {
        ...{
          log,
          importer,
          number: 1,
          prev: ZERO_HASH,
          bundles: [{ bundle, id }],
          exceptions: [],
          gaps: [],
          missing: [],
        },
        ...{ thru: { seq: last, hash: lineHash(line) }, at: new Date().toISOString() },
      },
      key,
      certificateDer,
    );
    return Buffer.from(encodeReceiptPem(der));
  }

  /** A signature without a record, half a line in journal and ledger, an index without its CURRENT. */
  async #leaveKilled(): Promise<void> {
    const points = await this.points("airlockd", "closed");
    // The first sync of the open segment after the start is the registration's commit.
    const commit = points.find(({ name, file }) => name === "fdatasync" && file.endsWith(".ndjson"));
    assert.ok(commit !== undefined);
    const write = {
      ...commit,
      name: "write",
      n: points.filter(({ name }, at) => name === "write" && at < points.indexOf(commit)).length,
    };
    const { told, signal } = await this.#run("airlockd", "closed", { point: write, blow: "signal=SIGKILL" });
    assert.deepEqual([signal, told.certificate], ["SIGKILL", undefined]);
    const [segment = ""] = (await readdir(this.#journal)).filter((name) => name.endsWith(".ndjson"));
    await appendFile(join(this.#journal, segment), '{"v":1,"kind":"registration","log":"');
    await appendFile(join(this.#ledger, "ledger.ndjson"), '{"v":1,"n":9');
    await rm(join(this.#paths.root, "store", "database", "index", "CURRENT"));
  }

  async #run(victim: Victim, scene: Scene, inject?: { point: Point; blow: Blow }, isToEnd = false) {
    await this.#restore(scene);
    const traced = (name: Victim) => this.#trace(name, scene, name === victim ? inject : undefined);
    const told: Acknowledged = {};
    const signer = victim === "airlock-signer" ? await traced("airlock-signer") : await this.#startSigner();
    // A signer that died in its start leaves an airlockd that waits for it.
    await comesUp(signer, () => hasSigner(join(this.#paths.run, "signer.sock")));
    const daemon = victim === "airlockd" ? await traced("airlockd") : this.#launchDaemon();
    if (await comesUp(daemon, () => hasListener(this.#ports.appliance)))
      Object.assign(told, await this.#ask(this.#request, true));
    const tracer = (victim === "airlockd" ? daemon : signer) as TracedProgram;
    if (isToEnd) await Promise.race([tracer.ended, delay(END_MS)]);
    const isEndedByItself = tracer.hasEnded;
    await this.#end(daemon);
    await this.#end(signer);
    return { told, trace: await tracer.trace(), signal: (await tracer.ended).signal, isEndedByItself };
  }

  async #trace(name: Victim, scene: Scene, inject?: { point: Point; blow: Blow }): Promise<TracedProgram> {
    const program = await TracedProgram.start({
      name,
      args: ["--config", this.#paths.applianceToml],
      env: this.#env,
      logFile: join(this.#paths.logs, `${name}.log`),
      traceFile: join(this.#root, "trace"),
      paths: this.#watched.get(`${name} ${scene}`) ?? [],
      ...(inject === undefined ? {} : { inject }),
    });
    this.#running.add(program);
    return program;
  }

  /** One after the other, each whatever became of the one before. */
  async #ask(request: Parameters<ReturnType<typeof openRegistrationClient>["register"]>[0], isAll = false) {
    const told: Acknowledged = {};
    const station = openRegistrationClient(await this.#identity(STATION), DEADLINE_MS);
    const operator = openTransferClient(await this.#identity(OPERATOR));
    const quietly = (asking: Promise<void>) => asking.catch(() => undefined);
    await quietly(
      station.register(request).then((answer) => {
        told.certificate = answer;
      }),
    );
    const seal = async () => {
      const { bundle } = await operator.seal(false);
      if (bundle !== undefined) told.bundleId = bundle.id;
    };
    const apply = async () => {
      await operator.applyReceipt(this.#receipt);
      told.isReceiptApplied = true;
    };
    if (isAll) {
      await quietly(seal());
      await quietly(apply());
    }
    station.close();
    operator.close();
    return told;
  }

  /** Everything that was told holds after a start without blows, the stores are proven, and the line goes on. */
  async #check(told: Acknowledged): Promise<void> {
    const signer = await this.#startSigner();
    const daemon = await this.#startDaemon();
    const station = openRegistrationClient(await this.#identity(STATION));
    const again = await station.register(this.#request);
    const fresh = await station.register(makeRequest());
    station.close();
    const operator = openTransferClient(await this.#identity(OPERATOR));
    const ids = (await operator.bundles()).map(({ id }) => id);
    const receipt = await operator.applyReceipt(this.#receipt);
    operator.close();
    await this.#end(daemon);
    await this.#end(signer);
    const witness = new LogWitness(this.#journal);
    await witness.follow();
    for (const { sequence, certificatePem } of [again, told.certificate ?? again]) {
      witness.checkReceived({ uuid: this.#request.uuid, sequence: Number(sequence), certificatePem });
    }
    assert.equal(fresh.alreadyIssued, false);
    assert.ok(told.bundleId === undefined || ids.includes(told.bundleId), "a bundle that was answered is gone");
    assert.ok(told.isReceiptApplied === undefined || receipt.alreadyApplied, "a receipt that was answered is gone");
    for (const id of ids) witness.checkSealed(id);
    await runProgram("airlockd", ["--config", this.#paths.applianceToml, "--check-store"], this.#env);
  }

  async #startSigner(): Promise<Running> {
    const signer = await startSigner(this.#paths, this.#env);
    this.#running.add(signer);
    return signer;
  }

  #launchDaemon(): Running {
    const log = join(this.#paths.logs, "airlockd.log");
    const daemon = startProgram("airlockd", ["--config", this.#paths.applianceToml], log, this.#env);
    this.#running.add(daemon);
    return daemon;
  }

  async #startDaemon(): Promise<Running> {
    const daemon = this.#launchDaemon();
    await waitUntil("it listens", () => hasListener(this.#ports.appliance), daemon, 60_000);
    return daemon;
  }

  async #end(program: { stop(): Promise<void> }): Promise<void> {
    await program.stop();
    this.#running.delete(program);
  }

  async #identity(name: string): Promise<ClientIdentity> {
    const at = (file: string) => readFile(join(this.#paths.etc, "clients", file), "utf8");
    return {
      address: `localhost:${this.#ports.appliance}`,
      lineCa: await readFile(join(this.#paths.root, "ca", "line-ca.pem"), "utf8"),
      certificate: await at(`${name}.pem`),
      key: await at(`${name}.key`),
    };
  }

  async #save(scene: Scene): Promise<void> {
    for (const name of DIRECTORIES) {
      await cp(join(this.#paths.root, name), join(this.#root, scene, name), { recursive: true });
    }
  }

  async #restore(scene: Scene): Promise<void> {
    for (const name of DIRECTORIES) {
      await rm(join(this.#paths.root, name), { recursive: true, force: true });
      await cp(join(this.#root, scene, name), join(this.#paths.root, name), { recursive: true });
    }
  }

  get #journal(): string {
    return join(this.#paths.root, "store", "journal");
  }

  get #ledger(): string {
    return join(this.#paths.root, "signer", "ledger");
  }
}

/** Whether a program answers before it has ended. */
async function comesUp(program: Running | TracedProgram, isUp: () => Promise<boolean>): Promise<boolean> {
  const until = Date.now() + 60_000;
  let isOver = false;
  void program.ended.then(() => {
    isOver = true;
  });
  while (!isOver && Date.now() < until) {
    if (await isUp().catch(() => false)) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/** The file that a call was made on, below the store. */
function fileOf(store: string, text: string): string {
  return pathsUnder(store, text)[0]?.slice(store.length + 1) ?? "";
}
