import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSite, type Site } from "../../src/sandbox/site.ts";
import { afterMs, runKilled } from "../support/killed-program.ts";
import { runReal } from "../support/real-programs.ts";
import { makeRequest, openStation } from "../support/station.ts";
import { SeededRandom } from "./random.ts";

/** About as long as writing some bundles takes. */
const WRITING_MS = 40;
const DEVICES_PER_ROUND = 100;
/** Every so often the operator takes a new stick, which gets everything again. */
const STICK_EVERY = 5;

/**
 * `airlock-export export` onto a medium, killed again and again at any moment. What must hold: whatever has a bundle's
 * name on the medium is whole, by openssl and sha256sum; one run that is left alone completes the medium.
 */
export class ExportKills {
  readonly tally = { kills: 0, ended: 0, bundles: 0, parts: 0, checked: 0 };
  readonly #dir: string;
  readonly #site: Site;
  readonly #random: SeededRandom;
  #stick = 0;
  #usualMs = 2_500;

  private constructor(dir: string, site: Site, seed: number) {
    this.#dir = dir;
    this.#site = site;
    this.#random = new SeededRandom(seed);
  }

  static async make(seed: number): Promise<ExportKills> {
    const dir = await mkdtemp(join(tmpdir(), "airlock-kill-export-"));
    const kills = new ExportKills(dir, await openSite(join(dir, "site"), () => undefined), seed);
    await mkdir(kills.#medium);
    return kills;
  }

  async remove(): Promise<void> {
    await this.#site.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async round(): Promise<void> {
    await this.#register();
    const args = ["export", "--to", this.#medium, "--yes", "--config", this.#config];
    const { isKilled, code, output, tookMs } = await runKilled("airlock-export", args, this.#moment());
    if (isKilled) this.tally.kills++;
    else {
      this.tally.ended++;
      this.#usualMs = tookMs;
      assert.equal(code, 0, output);
      assert.match(output, /SAFE TO REMOVE/);
    }
    await this.#checkMedium();
    if ((this.tally.kills + this.tally.ended) % STICK_EVERY === 0) {
      await this.complete();
      this.#stick++;
      await mkdir(this.#medium);
    }
  }

  /** Three blows in four fall while the medium is written, the others at any time of the program's life. */
  #moment(): (ended: AbortSignal) => Promise<void> {
    if (this.#random.isOneIn(4)) return afterMs(this.#random.next() * this.#usualMs);
    const medium = this.#medium;
    const isUnfinished = () => readdirSync(medium).some((name) => name.includes(".PART"));
    const laterMs = this.#random.between(0, WRITING_MS);
    return async (ended) => {
      while (!isUnfinished() && !ended.aborted) await new Promise((resolve) => setImmediate(resolve));
      if (laterMs > 0) await afterMs(laterMs)(ended);
    };
  }

  /** One run that nobody disturbs; then the whole medium verifies, by both sides' programs. */
  async complete(): Promise<void> {
    const startedMs = performance.now();
    const ended = await runReal("airlock-export", ["export", "--to", this.#medium, "--yes", "--config", this.#config]);
    this.#usualMs = performance.now() - startedMs;
    assert.equal(ended.code, 0, ended.out + ended.err);
    assert.match(ended.out, /SAFE TO REMOVE/);
    this.tally.bundles = (await this.#checkMedium()).length;
    const root = join(this.#site.paths.factory, "factory_ca.pem");
    const inside = await runReal("airlock-export", ["verify", this.#medium, "--factory-root", root]);
    assert.equal(inside.code, 0, inside.out + inside.err);
    assert.match(inside.out, new RegExp(`${this.tally.bundles} verified, 0 refused`));
    const outside = await runReal("airlock-import", ["verify", this.#medium, "--state", this.#site.paths.importer]);
    assert.equal(outside.code, 0, outside.out + outside.err);
    const queued = await runReal("airlock-export", ["status", "--json", "--config", this.#config]);
    assert.equal((JSON.parse(queued.out) as { queued: number }).queued, 0);
  }

  /** Only the documented commands judge what has a bundle's name; returns those names. */
  async #checkMedium(): Promise<readonly string[]> {
    const names = await readdir(this.#medium);
    const bundles = names.filter((name) => /^ALB_[0-9A-F]{8}_\d{5,7}$/.test(name));
    this.tally.parts += names.length - bundles.length;
    for (const name of names) assert.match(name, /^ALB_[0-9A-F]{8}_\d{5,7}(\.PART\d?)?$/);
    const root = join(this.#site.paths.factory, "factory_ca.pem");
    for (const name of bundles) {
      const cwd = join(this.#medium, name);
      assert.equal((await readdir(cwd)).length, 5);
      const files = ["-in", "SHA256SUMS.P7S", "-content", "SHA256SUMS", "-CAfile", root];
      const how = ["cms", "-verify", "-binary", "-inform", "PEM", ...files, "-no-CApath", "-no-CAstore"];
      execFileSync("openssl", [...how, "-out", "/dev/null"], { cwd, stdio: "pipe" });
      execFileSync("sha256sum", ["-c", "--strict", "SHA256SUMS"], { cwd, stdio: "pipe" });
      this.tally.checked++;
    }
    return bundles;
  }

  async #register(): Promise<void> {
    const station = await openStation(this.#site);
    try {
      await Promise.all(Array.from({ length: DEVICES_PER_ROUND }, () => station.register(makeRequest())));
    } finally {
      station.close();
    }
  }

  get #medium(): string {
    return join(this.#dir, `stick-${this.#stick}`);
  }

  get #config(): string {
    return join(this.#site.paths.etc, "operator.toml");
  }
}
