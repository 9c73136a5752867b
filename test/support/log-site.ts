import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "../../src/log/create-log.ts";
import type { Log } from "../../src/log/log.ts";
import type { LogEvent } from "../../src/log/log-event.ts";
import type { LogOptions, OpenReport } from "../../src/log/log-options.ts";
import { openLog } from "../../src/log/open-log.ts";
import type { RecordDraft } from "../../src/log/record.ts";
import type { Refusal } from "../../src/refusal.ts";
import { enrolment, genesis } from "./log-drafts.ts";

/** Directories of one log below a temporary one, and everything that it reported. */
export class LogSite {
  readonly root: string;
  readonly events: LogEvent[] = [];
  readonly fatal: Refusal[] = [];
  nowMs = Date.parse("2026-11-23T02:35:11.123Z");
  readonly #opened: Log[] = [];

  private constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<LogSite> {
    return new LogSite(await mkdtemp(join(tmpdir(), "airlock-log-")));
  }

  /** A site with a log of two records that nobody has open. */
  static async withLog(options: Partial<LogOptions> = {}): Promise<LogSite> {
    const site = await LogSite.make();
    await site.create([genesis(), enrolment("st1")], options);
    return site;
  }

  get journalDir(): string {
    return join(this.root, "journal");
  }

  get databaseDir(): string {
    return join(this.root, "database");
  }

  options(options: Partial<LogOptions> = {}): LogOptions {
    return {
      journalDir: this.journalDir,
      databaseDir: this.databaseDir,
      clock: { nowMs: () => this.nowMs },
      onFatal: (refusal) => void this.fatal.push(refusal),
      onEvent: (event) => void this.events.push(event),
      reserveBytes: 0,
      ...options,
    };
  }

  create(drafts: readonly RecordDraft[], options: Partial<LogOptions> = {}) {
    return createLog(this.options(options), drafts);
  }

  async open(options: Partial<LogOptions> = {}): Promise<Log> {
    return (await this.openReported(options)).log;
  }

  async openReported(options: Partial<LogOptions> = {}): Promise<{ log: Log; report: OpenReport }> {
    const opened = await openLog(this.options(options));
    this.#opened.push(opened.log);
    return opened;
  }

  /** The same files somewhere else. */
  async copy(): Promise<LogSite> {
    const site = await LogSite.make();
    await cp(this.root, site.root, { recursive: true });
    return site;
  }

  /** Closes what is open and removes the files. */
  async remove(): Promise<void> {
    for (const log of this.#opened) await log.close().catch(() => undefined);
    await rm(this.root, { recursive: true, force: true });
  }
}
