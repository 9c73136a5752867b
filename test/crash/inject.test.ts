import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLog } from "../../src/log/open-log.ts";
import type { RecordDraft, StoredRecord } from "../../src/log/record.ts";
import { receipt, registration, seal } from "../support/log-drafts.ts";
import { checkLog, readAll } from "../support/log-invariants.ts";
import { LogSite } from "../support/log-site.ts";
import { type Blow, type Point, Sweep } from "./strace-sweep.ts";

/** Runs side by side: most of their time is waiting for the disk. */
const LANES = 3;
/** The first append then starts a segment of its own. */
const segmentBytes = 8_000;

interface Template {
  readonly site: LogSite;
  /** What was acknowledged before the runs under test. */
  readonly stored: StoredRecord[];
}

async function makeTemplate(drafts: readonly RecordDraft[]): Promise<Template> {
  const site = await LogSite.withLog();
  const log = await site.open({ segmentBytes });
  for (const n of [1, 2, 3]) await log.append(registration(n));
  const stored = await readAll(log);
  await log.close();
  await writeFile(join(site.root, "drafts"), JSON.stringify(drafts));
  return { site, stored };
}

/** A killed process, a line that was half written, an index without its CURRENT: all that a start can put right. */
async function breakTemplate({ site }: Template): Promise<void> {
  await writeFile(join(site.journalDir, "running"), `airlockd 1 ${site.nowMs}\n`);
  const segment = (await readdir(site.journalDir)).filter((name) => name.endsWith(".ndjson")).at(-1) ?? "";
  await appendFile(join(site.journalDir, segment), '{"v":1,"kind":"registration","log":"');
  await rm(join(site.databaseDir, "index", "CURRENT"));
}

/** Opens what a blow has left, holds it against what was acknowledged, goes on with it, and looks again. */
async function checkLeft(root: string, acknowledged: readonly StoredRecord[]): Promise<void> {
  const options = {
    journalDir: join(root, "journal"),
    databaseDir: join(root, "database"),
    clock: { nowMs: () => Date.parse("2026-11-24T00:00:00Z") },
    onFatal: () => undefined,
    reserveBytes: 0,
    segmentBytes,
  };
  const { log } = await openLog(options);
  await checkLog(log, acknowledged);
  const later = await log.append(registration(900));
  await log.close();
  const { log: again } = await openLog(options);
  await checkLog(again, [...acknowledged, later]);
  await again.close();
}

describe("a blow at every system call that changes a store", function () {
  this.timeout(300_000);
  let root: string;
  let working: Template;
  let broken: Template;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "airlock-inject-"));
    working = await makeTemplate([registration(4), seal(1, 1, 6, 4), receipt(1, { bundles: [1] })]);
    broken = await makeTemplate([registration(4)]);
    await breakTemplate(broken);
  });
  after(async () => {
    await working.site.remove();
    await broken.site.remove();
    await rm(root, { recursive: true, force: true });
  });

  /** All points that `isWanted` takes, on several lanes. */
  async function sweep(
    { site, stored }: Template,
    blow: Blow,
    segmentCalls = 0,
    isWanted: (point: Point) => boolean = () => true,
  ): Promise<Point[]> {
    let points: Point[] = [];
    let segmentBlows = 0;
    const work = async (lane: number) => {
      const directory = join(root, `lane-${lane}`);
      await mkdir(directory, { recursive: true });
      const own = new Sweep(site.root, directory, join(root, "compiled"));
      points = (await own.points()).filter(isWanted);
      for (const [index, point] of points.entries()) {
        if (index % LANES !== lane) continue;
        const what = `${blow} at ${point.name} ${point.n}`;
        const { acknowledged, events, isHit, isOnSegment } = await own.run(point, blow);
        assert.ok(isHit, `${what} was not reached`);
        // Its bytes may be in the page cache all the same, so that a wrong answer would not show on reopening.
        if (isOnSegment) segmentBlows++;
        assert.ok(!isOnSegment || !events.includes("closed"), `${what} was survived`);
        await checkLeft(own.root, [...stored, ...acknowledged]).catch((cause: unknown) => {
          throw new Error(`after ${what}`, { cause });
        });
      }
    };
    await Promise.all(Array.from({ length: LANES }, (_, lane) => work(lane)));
    console.log(`      ${points.length} points: ${[...new Set(points.map(({ name }) => name))].join(" ")}`);
    assert.equal(segmentBlows, blow === "signal=SIGKILL" ? 0 : segmentCalls);
    return points;
  }

  it("ISSUE-DURABLE loses nothing that was answered, killed anywhere in a registration, a seal and a receipt", async () => {
    const points = await sweep(working, "signal=SIGKILL");
    // Journal and LevelDB, a write and a sync each, for three records, besides all that opening and closing do.
    assert.ok(points.filter(({ name }) => name === "fdatasync").length >= 6);
    for (const name of ["write", "pwrite64", "fsync", "unlink", "rename"]) {
      assert.ok(points.some((point) => point.name === name));
    }
  });

  it("STORE-CHAIN starts again, killed anywhere in a recovery that cuts, copies and rebuilds", async () => {
    const points = await sweep(broken, "signal=SIGKILL");
    assert.ok(points.filter(({ name }) => name === "rename").length >= 3, "segment, set-aside index, CURRENT");
  });

  it("ISSUE-DURABLE answers nothing that a failing disk did not take, at every call", async () => {
    await sweep(working, "error=EIO", 6);
  });

  it("STORE-CHAIN starts again after a disk that failed anywhere in a recovery", async () => {
    await sweep(broken, "error=EIO", 2, ({ name }) => name !== "unlink");
  });

  it("STORE-SPACE loses nothing that was answered when the disk is full at any write", async () => {
    await sweep(working, "error=ENOSPC", 6, ({ name }) => /write|fdatasync/.test(name));
  });
});
