import { cp, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createDemoBoard, type DemoBoard, readBoardCertificate, registerBoard } from "./demo-board.ts";
import { tokenEnvironment } from "./demo-token.ts";
import { runProgram, runTool, startProgram } from "./programs.ts";
import { startAppliance, startBridge, startDaemon, startSigner } from "./run-site.ts";
import type { Site } from "./site.ts";
import { DEMO_FACTORY, type SitePaths } from "./site-files.ts";

const LIBEXEC = resolve(import.meta.dirname, "../../appliance/package/libexec");

/** A board, and the certificate that it was given. */
interface Held {
  readonly board: DemoBoard;
  readonly pem: string;
}

/**
 * What can go wrong with a machine, done to an evaluation site: each disaster is brought about, what the appliance says
 * is shown, and every board asks again for the certificate that it holds.
 * @param site open; it is stopped before the first disaster, and stays so
 */
export class Disasters {
  readonly #site: Site;
  readonly #say: (step: string) => void;
  readonly #held: Held[] = [];
  #backup = "";

  constructor(site: Site, say: (step: string) => void) {
    this.#site = site;
    this.#say = say;
  }

  /** Every disaster in turn. @throws Error when one ends otherwise than the guides say */
  async rehearse(): Promise<void> {
    await this.#register(5).finally(() => this.#site.stop());
    await this.#takeBackup();
    await this.#withAppliance(() => this.#register(5));
    await this.#indexDisk();
    await this.#oldJournal();
    await this.#deadHsm();
    await this.#secondBox();
  }

  get #paths(): SitePaths {
    return this.#site.paths;
  }

  get #places() {
    const at = (path: string) => join(this.#paths.root, path);
    return { journal: at("store/journal"), database: at("store/database"), ledger: at("signer/ledger") };
  }

  async #takeBackup(): Promise<void> {
    const out = join(this.#paths.root, "backup");
    await mkdir(out);
    await runTool("sh", [join(LIBEXEC, "backup"), out, this.#paths.applianceToml]);
    await cp(this.#paths.token, join(out, "hsm"), { recursive: true });
    const [name = ""] = (await readdir(out)).filter((file) => file.endsWith(".tar"));
    this.#backup = join(out, name);
    this.#say(`backup taken after ${this.#held.length} boards; the HSM was backed up with its own tool`);
  }

  async #indexDisk(): Promise<void> {
    await rename(this.#places.database, `${this.#places.database}.dead`);
    await mkdir(this.#places.database);
    await this.#withAppliance(() => this.#askAgain());
    this.#say("dead disk of the index: made again from the journal, every board got its certificate again");
  }

  /** A journal of yesterday beside today's ledger: nothing is served, and nothing is lost by asking. */
  async #oldJournal(): Promise<void> {
    const { journal } = this.#places;
    await rename(journal, `${journal}.today`);
    await runTool("tar", ["--extract", "--file", this.#backup, "--directory", "/", journal.slice(1)]);
    const { code, text } = await this.#refusedStart();
    if (code !== 7 || !text.includes("STORE-HEAD")) throw new Error(`an old journal was not refused: ${code} ${text}`);
    this.#say(`an older copy of the journal alone: refused with exit ${code}, STORE-HEAD: ${messageOf(text)}`);
    await rm(journal, { recursive: true });
    await rename(`${journal}.today`, journal);
    await this.#withAppliance(() => this.#askAgain());
    this.#say("today's journal back in its place: everything is answered again");
  }

  /** Stored certificates outlive the HSM; new ones wait for it. */
  async #deadHsm(): Promise<void> {
    const tokens = join(this.#paths.token, "tokens");
    await rename(tokens, `${tokens}.dead`);
    await mkdir(tokens);
    const signer = startProgram(
      "airlock-signer",
      ["--config", this.#paths.applianceToml],
      join(this.#paths.logs, "dead-hsm.log"),
      tokenEnvironment(this.#paths.token),
    );
    const daemon = await startDaemon(this.#paths, this.#site.ports.appliance);
    const bridge = await startBridge(this.#paths, this.#site.ports.bridge);
    try {
      await this.#askAgain();
      const refused = await this.#register(1).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (refused === undefined) throw new Error("a certificate came from a dead HSM");
      this.#say(
        `dead HSM: boards that registered before get their certificate again; a new one is told:${refused.replace(/^board \S+/, "")}`,
      );
    } finally {
      await bridge.stop();
      await daemon.stop();
      await signer.stop();
    }
    await rm(tokens, { recursive: true });
    await rename(`${tokens}.dead`, tokens);
  }

  /** The machine is gone with everything on it: a second box, the last backup, and the HSM's own. */
  async #secondBox(): Promise<void> {
    const { ledger, journal, database } = this.#places;
    const today = join(this.#paths.root, "backup-of-today");
    await mkdir(today);
    await runTool("sh", [join(LIBEXEC, "backup"), today, this.#paths.applianceToml]);
    const [name = ""] = (await readdir(today)).filter((file) => file.endsWith(".tar"));
    for (const path of [
      ledger,
      journal,
      database,
      join(this.#paths.root, "ca"),
      this.#paths.applianceToml,
      join(this.#paths.factory, "factory_ca.pem"),
    ]) {
      await rename(path, `${path}.gone`);
    }
    await runTool("sh", [join(LIBEXEC, "restore"), join(today, name), this.#paths.applianceToml]);
    await mkdir(database);
    await this.#withAppliance(async () => {
      await this.#askAgain();
      await this.#register(1);
    });
    const proven = await runProgram("airlockd", ["--config", this.#paths.applianceToml, "--check-store"]);
    if (!proven.includes("Proven")) throw new Error("the restored store cannot be proven");
    this.#say(
      `second box: restored, ${this.#held.length - 1} boards got their certificates again, a new one registered, both stores proven`,
    );
  }

  async #register(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const board = await createDemoBoard(
        join(this.#paths.root, "devices"),
        DEMO_FACTORY,
        `unit-${this.#held.length + 1}`,
      );
      await registerBoard(this.#site.deviceApi, board, "intel-corei7-64");
      this.#held.push({ board, pem: await readBoardCertificate(board) });
    }
  }

  /** ISSUE-ONCE is the measure of every recovery. */
  async #askAgain(): Promise<void> {
    for (const { board, pem } of this.#held) {
      await registerBoard(this.#site.deviceApi, board, "intel-corei7-64");
      if ((await readBoardCertificate(board)) !== pem) throw new Error(`${board.uuid} got another certificate`);
    }
  }

  async #withAppliance(work: () => Promise<void>): Promise<void> {
    const env = tokenEnvironment(this.#paths.token);
    const appliance = await startAppliance(this.#paths, this.#site.ports.appliance, env);
    const bridge = await startBridge(this.#paths, this.#site.ports.bridge);
    try {
      await work();
    } finally {
      await bridge.stop();
      await appliance.stop();
    }
  }

  async #refusedStart(): Promise<{ code: number; text: string }> {
    const signer = await startSigner(this.#paths, tokenEnvironment(this.#paths.token));
    const log = join(this.#paths.logs, "refused.log");
    const code = await startProgram("airlockd", ["--config", this.#paths.applianceToml], log).ended;
    await signer.stop();
    return { code, text: await readFile(log, "utf8") };
  }
}

/** The last message of a log, whether it is one line of JSON or a sentence. */
function messageOf(log: string): string {
  const last = log.trimEnd().split("\n").at(-1) ?? "";
  return last.startsWith("{") ? (JSON.parse(last) as { msg: string }).msg : last;
}
