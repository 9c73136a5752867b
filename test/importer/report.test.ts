import assert from "node:assert/strict";
import { readImportedRecords } from "../../src/importer/imported-registrations.ts";
import { readOpenRegistrations } from "../../src/importer/open-registrations.ts";
import { encodeRejects } from "../../src/importer/rejects-csv.ts";
import { encodeReportPage } from "../../src/importer/report/page.ts";
import { collectReport, type ReportData } from "../../src/importer/report/report-data.ts";
import { proposalId } from "../../src/log/proposed-act.ts";
import { sha256Hex } from "../../src/transfer/bundle-files.ts";
import { type AirgapSite, LOG_ID, makeSite, OPERATOR } from "../support/airgap-site.ts";
import { type ImporterBench, makeBench } from "../support/importer-bench.ts";
import { makeFactory } from "../support/memory-factory.ts";
import { makeKey } from "../support/software-pki.ts";

const ABOUT = { appliance: "FRA2-REG-01", factory: "acme", log: LOG_ID, madeAt: "2026-11-23T07:40:00.000Z" };
const FAR = "2089-12-31T00:00:00.000Z";

describe("importer/report", () => {
  let site: AirgapSite;
  let bench: ImporterBench;

  beforeEach(async () => {
    [site, bench] = [await makeSite({ startMs: Date.parse("2026-11-20T23:59:50.000Z") }), await makeBench()];
  });

  afterEach(() => bench.remove());

  async function collect(): Promise<ReportData> {
    const { state } = bench.journal;
    return await collectReport(ABOUT, state, readImportedRecords(bench.directory, LOG_ID, state));
  }

  /** Two days with a quiet one between, two stations, a taken name, a board scrapped after delivery. */
  async function importSome(): Promise<void> {
    const factory = makeFactory();
    const taken = await site.register({ station: "line-2", hardwareId: "<script>alert(1)</script>" });
    factory.devices.set("other", { uuid: "other", name: taken.name, spkiDer: makeKey().spkiDer });
    const scrapped = await site.register();
    site.clock.ms += 2 * 24 * 3600 * 1000;
    await site.register();
    await bench.accept(site, await site.seal());
    await bench.run(factory);
    await site.log.append({ kind: "void", body: { registration: scrapped.seq, reason: "cracked", by: OPERATOR } });
    await bench.accept(site, await site.seal());
  }

  it("BUNDLE-COUNT counts production by day, station, hardware and outcome", async () => {
    await importSome();
    const data = await collect();
    assert.deepEqual(
      data.byDay.map(({ label, count }) => `${label} ${count}`),
      ["2026-11-20 2", "2026-11-21 0", "2026-11-22 1"],
    );
    assert.deepEqual(
      data.byStation.map(({ label, count }) => `${label} ${count}`),
      ["line-1 2", "line-2 1"],
    );
    assert.deepEqual(
      data.outcomes.filter(({ count }) => count > 0).map(({ label, count }) => `${label} ${count}`),
      ["delivered 2", "rejected 1"],
    );
    assert.deepEqual(
      data.conflicts.map(({ code }) => code),
      ["E_NAME_TAKEN", "SCRAPPED"],
    );
    assert.equal(data.bundles.length, 2);
  });

  it("SECRET-SILENT writes a page that runs nothing, fetches nothing, and escapes what boards claim", async () => {
    await importSome();
    const page = encodeReportPage(await collect());
    assert.equal(/<script|javascript:|\son\w+=|<link|<img|<iframe|@import|url\(|src=|href=/i.test(page), false);
    assert.ok(page.includes("&#60;script&#62;alert(1)&#60;/script&#62;"));
    assert.match(page, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
    assert.match(page, /<svg role="img" aria-label="Registrations over time"/);
    assert.match(page, /rename that one and run again/);
  });

  /** Two custodians open an order for so many boards. */
  async function openOrder(id: string, count: number): Promise<void> {
    const by = (name: string) => ({ client: name, clientSha256: sha256Hex(name) });
    for (const name of ["alice", "bob"].filter((name) => site.log.client(sha256Hex(name)) === undefined)) {
      const client = {
        sha256: sha256Hex(name),
        role: "custodian",
        name,
        notAfter: FAR,
        spkiSha256: "6".repeat(64),
      } as const;
      await site.log.append({ kind: "act", body: { act: "enroll-client", client, by: "ceremony" } });
    }
    const terms = { id, count, replacements: 1, from: "2020-01-01T00:00:00.000Z", until: FAR, stations: ["line-1"] };
    const what = { kind: "order-open", order: { ...terms, production: "allow" } } as const;
    const proposal = proposalId(JSON.stringify(what));
    await site.log.append({ kind: "act", body: { act: "propose", proposal, what, by: by("alice") } });
    await site.log.append({ kind: "act", body: { act: "approve", proposal, by: by("bob") } });
  }

  it("ORDER-QUOTA shows what each work order allowed and what was made, replaced and scrapped under it", async () => {
    await openOrder("first", 3);
    await openOrder("unused", 7);
    const board = await site.register({ order: "first" });
    await site.register({ order: "first", uuid: board.uuid, replaces: board.seq });
    const scrapped = await site.register({ order: "first" });
    await site.log.append({ kind: "void", body: { registration: scrapped.seq, reason: "cracked", by: OPERATOR } });
    await bench.accept(site, await site.seal());
    const data = await collect();
    const first = { ordered: 3, made: 2, left: 1, replacements: 1, replaced: 1, voided: 1 };
    const unused = { ordered: 7, made: 0, left: 7, replacements: 1, replaced: 0, voided: 0 };
    assert.deepEqual(data.orders, [
      { id: "first", ...first, state: "open" },
      { id: "unused", ...unused, state: "open" },
    ]);
    assert.match(encodeReportPage(data), /<h2>Work orders<\/h2>/);
  });

  it("ORDER-QUOTA says so when an appliance made more than its order allowed", async () => {
    await openOrder("small", 1);
    for (let n = 0; n < 2; n++) await site.register({ order: "small" });
    await bench.accept(site, await site.seal());
    const data = await collect();
    assert.deepEqual(
      data.orders.map(({ state, left }) => [state, left]),
      [["exceeded", 0]],
    );
    assert.match(encodeReportPage(data), /MORE THAN ALLOWED: call security/);
  });

  it("BUNDLE-LEDGER sets the signer's count beside the records, and says what is missing of it", async () => {
    await site.register();
    const first = await site.seal();
    await site.register();
    await bench.accept(site, await site.seal());
    const partial = await collect();
    assert.deepEqual(partial.ledger, { signatures: 3, accounted: 1, registrations: 1 });
    assert.match(encodeReportPage(partial), /counts 3 signatures.*account for 1 of them.*has not arrived/);
    await bench.accept(site, first);
    const whole = await collect();
    assert.deepEqual(whole.ledger, { signatures: 3, accounted: 3, registrations: 2 });
    assert.match(encodeReportPage(whole), /They agree/);
  });

  it("BUNDLE-GAP names a missing bundle on the page", async () => {
    await site.register();
    await site.seal();
    await site.register();
    await bench.accept(site, await site.seal());
    assert.match(encodeReportPage(await collect()), /Bundle 1 has not arrived: records 1 to 2/);
  });

  it("BUNDLE-COUNT writes a page about nothing, and one about years with few columns", async () => {
    assert.match(encodeReportPage(await collect()), /Nothing was imported yet/);
    await site.register();
    site.clock.ms += 3 * 365 * 24 * 3600 * 1000;
    await site.register();
    await bench.accept(site, await site.seal());
    const page = encodeReportPage(await collect());
    assert.ok((page.match(/<title>from /g) ?? []).length <= 92);
  });

  it("RECEIPT-RANGE lists each rejected device with what to do, safe to open in a spreadsheet", async () => {
    const factory = makeFactory();
    const device = await site.register({ name: "-1_cmd" });
    factory.devices.set("other", { uuid: "other", name: device.name, spkiDer: makeKey().spkiDer });
    await bench.accept(site, await site.seal());
    await bench.run(factory);
    const { state } = bench.journal;
    const registrations = await readOpenRegistrations(bench.directory, LOG_ID, state, { isRetryingRejected: true });
    const [, row = ""] = encodeRejects(bench.journal.state, registrations).split("\r\n");
    assert.match(
      row,
      new RegExp(`^"2","${device.uuid}","'-1_cmd","line-1","2026-11-20T23:59:[^"]+","E_NAME_TAKEN","another device`),
    );
  });
});
