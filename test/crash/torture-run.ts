import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { RegistrationServiceClient } from "../../src/gen/airlock/registration/v1/registration.ts";
import { callUnary, openClient } from "../../src/rpc/client.ts";
import { openTransferClient } from "../../src/rpc/transfer-client.ts";
import { OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { runProgram } from "../../src/sandbox/programs.ts";
import { LogWitness } from "./log-witness.ts";
import { SeededRandom } from "./random.ts";
import { readReceived } from "./received-ledger.ts";
import type { FromClient, ToClient } from "./torture-client.ts";
import type { TortureSite } from "./torture-site.ts";

/** What a torture did, for its last line. */
export interface TortureTally {
  rounds: number;
  daemonKills: number;
  signerKills: number;
  startKills: number;
  seals: number;
  received: number;
  /** Calls that failed, most of them cut off by a kill; each was asked again. */
  cut: number;
  unissued: number;
  records: number;
  /** The longest that the answers to one read-back took together, in milliseconds. */
  slowestReadMs: number;
}

/** Older certificates that are asked for again after each restart, besides all of the newest. */
const SAMPLE = 20;
/** Rounds after which the journal is read from its beginning again. */
const FROM_START = 20;

/** Kills the programs of one site over and over, under load, and holds what is left against what was received. */
export class Torture {
  readonly tally: TortureTally = {
    rounds: 0,
    daemonKills: 0,
    signerKills: 0,
    startKills: 0,
    seals: 0,
    received: 0,
    cut: 0,
    unissued: 0,
    records: 0,
    slowestReadMs: 0,
  };
  readonly #site: TortureSite;
  readonly #random: SeededRandom;
  readonly #client: ChildProcess;
  readonly #sealed = new Set<string>();
  #witness: LogWitness;
  #checked = 0;

  private constructor(site: TortureSite, seed: number, client: ChildProcess) {
    this.#site = site;
    this.#random = new SeededRandom(seed);
    this.#client = client;
    this.#witness = new LogWitness(site.journalDir);
  }

  static async start(site: TortureSite, seed: number): Promise<Torture> {
    await site.startSigner();
    await site.startDaemon();
    return new Torture(site, seed, await site.startClient(STATION));
  }

  async round(): Promise<void> {
    const random = this.#random;
    const count = random.between(24, 96);
    await this.#ask({ kind: "prepare", count }, "prepared");
    const before = this.tally.received;
    const killAt = before + random.between(1, count - 8);
    const settled = this.#next((message) => message.kind === "settled");
    const isReached = this.#next((message) => message.kind === "received" && message.count >= killAt);
    isReached.catch(() => undefined);
    this.#client.send({ kind: "load", concurrency: random.between(1, 32) } satisfies ToClient);
    const seal = random.isOneIn(5) ? this.#seal() : undefined;
    await Promise.race([isReached, settled, this.#site.failure]);
    await delay(random.next() * 6);
    await this.#kill();
    this.#client.send({ kind: "end" } satisfies ToClient);
    const { count: received, cut } = (await settled) as Extract<FromClient, { kind: "settled" }>;
    await seal;
    this.tally.received = received;
    this.tally.cut += cut;
    this.tally.rounds++;
    await this.#restart();
    await this.check();
  }

  /** Everything that anybody holds is in the log and is served with the same bytes. */
  async check(): Promise<void> {
    if (this.tally.rounds % FROM_START === 0) {
      this.#witness = new LogWitness(this.#site.journalDir);
      this.#checked = 0;
    }
    const witness = this.#witness;
    await witness.follow();
    const received = readReceived(this.#site.ledgerFile);
    assert.equal(received.length, this.tally.received);
    const fresh = received.slice(this.#checked);
    for (const one of fresh) witness.checkReceived(one);
    for (const id of this.#sealed) witness.checkSealed(id);
    this.#checked = received.length;
    const sample = Array.from({ length: SAMPLE }, () => received[this.#random.between(0, received.length - 1)]);
    await this.#checkServed([...fresh, ...sample.filter((one) => one !== undefined)].map(({ uuid }) => uuid));
    this.tally.records = witness.records;
    this.tally.unissued = witness.unissued;
  }

  /** Stops the services properly, then has the stores proven from the first byte to the last. */
  async finish(): Promise<void> {
    await this.#site.stopServices();
    const witness = new LogWitness(this.#site.journalDir);
    await witness.follow();
    for (const one of readReceived(this.#site.ledgerFile)) witness.checkReceived(one);
    for (const id of this.#sealed) witness.checkSealed(id);
    this.tally.records = witness.records;
    await runProgram("airlockd", ["--config", this.#site.paths.applianceToml, "--check-store"]);
  }

  async #checkServed(uuids: readonly string[]): Promise<void> {
    const station = openClient(RegistrationServiceClient, await this.#site.identityOf(STATION));
    const startedMs = performance.now();
    try {
      await Promise.all(
        uuids.map(async (uuid) => {
          const answer = await callUnary<{ recordJson: string }>((done) => station.getRegistration({ uuid }, done));
          this.#witness.checkServed(uuid, answer.recordJson);
        }),
      );
    } finally {
      station.close();
    }
    this.tally.slowestReadMs = Math.max(this.tally.slowestReadMs, Math.round(performance.now() - startedMs));
  }

  /** Every fourth round kills the signer; half of those kill airlockd too. */
  async #kill(): Promise<void> {
    const isSignerRound = this.tally.rounds % 4 === 3;
    const isDaemonToo = !isSignerRound || this.#random.isOneIn(2);
    if (isSignerRound) {
      this.tally.signerKills++;
      await this.#site.killSigner();
    }
    if (isDaemonToo) {
      this.tally.daemonKills++;
      await this.#site.killDaemon();
    }
    this.#down = { signer: isSignerRound, daemon: isDaemonToo };
  }

  #down = { signer: false, daemon: false };

  async #restart(): Promise<void> {
    if (this.#down.signer) await this.#site.startSigner();
    if (!this.#down.daemon) return await this.#sealAsSignerReturns();
    if (this.#random.isOneIn(4)) {
      // The recovery itself is killed, and has to be run again from wherever it was.
      this.tally.startKills++;
      this.#site.launchDaemon();
      await Promise.race([delay(this.#random.between(100, 900)), this.#site.failure]);
      await this.#site.killDaemon();
    }
    await this.#site.startDaemon();
  }

  /** Just when airlockd notices that the signer is back, and accounts for what the kill left: both want the line still. */
  async #sealAsSignerReturns(): Promise<void> {
    await delay(this.#random.between(0, 400));
    await this.#seal();
    await this.#seal();
  }

  /** A bundle that was answered stays sealed. One that was not may be there or not. */
  async #seal(): Promise<void> {
    const operator = openTransferClient(await this.#site.identityOf(OPERATOR));
    await operator.seal(false).then(
      ({ bundle }) => {
        this.tally.seals++;
        if (bundle !== undefined) this.#sealed.add(bundle.id);
      },
      () => undefined,
    );
    operator.close();
  }

  async #ask(message: ToClient, answer: FromClient["kind"]): Promise<void> {
    const answered = this.#next(({ kind }) => kind === answer);
    this.#client.send(message);
    await answered;
  }

  #next(isWanted: (message: FromClient) => boolean): Promise<FromClient> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error("the client has ended"));
      const onMessage = (message: FromClient) => {
        if (!isWanted(message)) return;
        this.#client.off("message", onMessage);
        this.#client.off("exit", onExit);
        resolve(message);
      };
      this.#client.on("message", onMessage);
      this.#client.once("exit", onExit);
    });
  }
}
