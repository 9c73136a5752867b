import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readImported } from "../../src/importer/imported-registrations.ts";
import { encodeReportPage } from "../../src/importer/report/page.ts";
import { collectReport } from "../../src/importer/report/report-data.ts";
import { LOG_ID, makeSite, OPERATOR } from "../support/airgap-site.ts";
import { type Browser, openChromium } from "../support/headless-chromium.ts";
import { makeBench } from "../support/importer-bench.ts";
import { makeFactory } from "../support/memory-factory.ts";
import { makeKey } from "../support/software-pki.ts";

const DAY_MS = 24 * 3_600_000;
/** As long as a record allows, without a place to break. */
const LONG = "w".repeat(64);

describe("the report, opened in a browser", function () {
  this.timeout(120_000);
  let dir: string;
  let browser: Browser;
  let page: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-report-"));
    page = join(dir, "report.html");
    await writeFile(page, await makePage());
    browser = await openChromium();
  });

  after(async () => {
    await browser?.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** Five weeks, several stations and kinds of hardware, long names, a gap, rejects, a board scrapped after delivery. */
  async function makePage(): Promise<string> {
    const site = await makeSite({ startMs: Date.parse("2026-10-12T06:00:00.000Z") });
    const bench = await makeBench();
    try {
      const factory = makeFactory();
      const stations = ["line-1", "line-2", LONG];
      for (let day = 0; day < 35; day++) {
        for (let i = 0; i <= day % 4; i++) {
          const [station, hardwareId] = [stations[(day + i) % 3] ?? "", `imx8mm-${(day * i) % 5}-${LONG}`.slice(0, 64)];
          const name = i === 3 ? LONG.slice(0, 60) + String(1_000 + day) : undefined;
          const board = await site.register({ station, hardwareId, ...(name === undefined ? {} : { name }) });
          const taken = { uuid: `other-${day}`, name: board.name, spkiDer: makeKey().spkiDer };
          if (i === 2) factory.devices.set(taken.uuid, taken);
        }
        site.clock.ms += DAY_MS;
      }
      await bench.accept(site, await site.seal());
      await bench.run(factory);
      await site.log.append({ kind: "void", body: { registration: 2, reason: "cracked", by: OPERATOR } });
      await site.seal();
      await site.register();
      await bench.accept(site, await site.seal());
      const { state } = bench.journal;
      const about = { appliance: "FRA2-REG-01", factory: "acme", log: LOG_ID, madeAt: "2026-11-23T07:40:00.000Z" };
      return encodeReportPage(await collectReport(about, state, readImported(bench.directory, LOG_ID, state)));
    } finally {
      await bench.remove();
    }
  }

  for (const width of [380, 1_400]) {
    it(`BUNDLE-COUNT fits a window of ${width} pixels, charts and tables included`, async () => {
      const look = await browser.look(pathToFileURL(page).href, width);
      if (process.env.AIRLOCK_SCREENSHOTS !== undefined) {
        await writeFile(
          join(process.env.AIRLOCK_SCREENSHOTS, `report-${width}.png`),
          Buffer.from(look.pngBase64, "base64"),
        );
      }
      assert.equal(look.innerWidth, width);
      assert.match(await readFile(page, "utf8"), /<meta name="viewport" content="width=device-width/);
      assert.deepEqual([look.scrollWidth, look.overflowing], [width, []]);
      assert.ok(look.charts.some(({ label }) => label === "Registrations over time"));
      for (const { label, width: drawn, height } of look.charts) assert.ok(drawn > 20 && height > 2, label);
      assert.match(look.text, /FRA2-REG-01/);
      assert.match(look.text, /has not arrived/);
      assert.match(look.text, /E_NAME_TAKEN/);
    });

    it(`SECRET-SILENT asks nobody for anything at ${width} pixels, and its own policy has nothing to object to`, async () => {
      const href = pathToFileURL(page).href;
      const { requests, complaints } = await browser.look(href, width);
      assert.deepEqual([requests, complaints], [[href], []]);
    });
  }

  it("BUNDLE-COUNT notices a page that is too wide, and one that asks for something", async () => {
    const bad = join(dir, "bad.html");
    await writeFile(bad, '<body><div style="width: 900px" class="wide">x</div><img src="https://example.org/x.png">');
    const look = await browser.look(pathToFileURL(bad).href, 380);
    assert.ok(look.overflowing.includes("DIV.wide"), look.overflowing.join());
    assert.ok(look.requests.includes("https://example.org/x.png"));
  });
});
