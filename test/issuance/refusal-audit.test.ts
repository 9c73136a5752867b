import assert from "node:assert/strict";
import { RefusalAudit } from "../../src/issuance/refusal-audit.ts";
import { makeMemoryLog } from "../support/memory-log.ts";

const MINUTE_MS = 60_000;

describe("counting refusals", () => {
  const setUp = () => {
    const clock = { ms: Date.parse("2026-11-23T02:35:11.123Z"), nowMs: () => clock.ms };
    const log = makeMemoryLog("a7f3c2e1", () => clock.ms);
    const records = () => log.lines.map(({ line }) => JSON.parse(line) as { minute: string; counts: object[] });
    return { clock, log, records, audit: new RefusalAudit(log, clock) };
  };

  it("ROLE-METHOD refusals of one minute become one record, by client and control", async () => {
    const { clock, records, audit } = setUp();
    for (let n = 0; n < 1_000; n++) audit.count("line-1", "CSR-PROOF");
    audit.count("line-1", "ORDER-QUOTA");
    audit.count("not enrolled", "ROLE-METHOD");
    await audit.flush();
    assert.deepEqual(records(), []);
    clock.ms += MINUTE_MS;
    await audit.flush();
    await audit.flush();
    assert.deepEqual(
      records().map(({ minute, counts }) => ({ minute, counts })),
      [
        {
          minute: "2026-11-23T02:35Z",
          counts: [
            { client: "line-1", control: "CSR-PROOF", count: 1_000 },
            { client: "line-1", control: "ORDER-QUOTA", count: 1 },
            { client: "not enrolled", control: "ROLE-METHOD", count: 1 },
          ],
        },
      ],
    );
  });

  it("STORE-SPACE: however many clients are refused, one minute stays one record of bounded size", async () => {
    const { log, audit } = setUp();
    for (let n = 0; n < 5_000; n++) audit.count(`${n}`.padStart(64, "x"), "CSR-PROOF");
    await audit.flush(true);
    assert.equal(log.lines.length, 1);
    assert.match(log.lines[0]?.line ?? "", /"client":"others","control":"CSR-PROOF","count":4900/);
  });

  it("keeps counting while the record finds no room, and loses none", async () => {
    const { clock, log, records, audit } = setUp();
    audit.count("line-1", "CSR-PROOF");
    log.failNextAppend = "before";
    clock.ms += MINUTE_MS;
    await audit.flush();
    audit.count("line-1", "CSR-PROOF");
    await audit.flush();
    assert.deepEqual(records()[0]?.counts, [{ client: "line-1", control: "CSR-PROOF", count: 2 }]);
  });
});
