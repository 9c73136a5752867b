import assert from "node:assert/strict";
import { chooseMedium } from "../../src/cli/export/choose-medium.ts";
import { remedy } from "../../src/cli/export/rejects.ts";
import { statusScreen } from "../../src/cli/export/status.ts";
import { GetStatusResponse, HsmState } from "../../src/gen/airlock/transfer/v1/transfer.ts";
import { MediumError } from "../../src/transfer/medium-error.ts";

const STICK = { path: "/media/op/KINGSTON", fileSystem: "vfat" };
const OTHER = { path: "/media/op/MY STICK", fileSystem: "exfat" };

const NOW = Date.parse("2026-11-23T10:00:00.000Z");
const HOUR = 3_600_000;
const STATUS = GetStatusResponse.fromPartial({
  appliance: "FRA2-REG-01",
  log: "a7f3c2e1",
  hsm: HsmState.HSM_STATE_READY,
  awaitingReceipt: 2_110n,
  awaitingBundles: [36, 37],
  awaitingSince: "2026-11-20T06:00:00.000Z",
  delivered: 37_901n,
  deliveredThrough: 39_762n,
  lastReceipt: 56,
});

describe("cli/export", () => {
  it("BUNDLE-SUMS takes the only stick there is", () => {
    assert.equal(chooseMedium([STICK]), STICK.path);
  });

  it("BUNDLE-SUMS without a stick says that nothing was sealed, and what to do", () => {
    assert.throws(
      () => chooseMedium([]),
      (error) =>
        error instanceof MediumError &&
        error.problem === "missing" &&
        /Nothing was sealed.*--to DIR/.test(error.message),
    );
  });

  it("BUNDLE-SUMS never chooses between two sticks, and names both as they can be typed", () => {
    assert.throws(
      () => chooseMedium([STICK, OTHER]),
      (error) =>
        error instanceof MediumError &&
        error.problem === "several" &&
        /^Two removable media found\..*--to \/media\/op\/KINGSTON \(vfat\) or --to '\/media\/op\/MY STICK' \(exfat\)$/.test(
          error.message,
        ),
    );
  });

  it("RECEIPT-THRU the status screen says how long a bundle waits, before it is overdue and after", () => {
    const waitedMs = NOW - Date.parse(STATUS.awaitingSince);
    const inTime = statusScreen(STATUS, NOW, waitedMs - 10 * 24 * HOUR);
    assert.match(inTime, /Waiting for a receipt +2,110 {3}oldest 3 d 04 h\n {4}bundle 36, 37\n/);
    assert.match(statusScreen(STATUS, NOW, waitedMs - 96 * HOUR), /bundle 36, 37 {3}! due in 20 h 00 min/);
    const late = statusScreen(STATUS, NOW, waitedMs - 48 * HOUR);
    assert.match(late, /! OVERDUE by 1 d 04 h/);
    assert.match(late, /Next: ask the far side for the receipt/);
  });

  it("RECEIPT-THRU the status screen fits 80 columns, however many bundles wait", () => {
    const many = { ...STATUS, awaitingBundles: Array.from({ length: 400 }, (_, i) => 10_000 + i) };
    assert.ok(
      statusScreen(many, NOW, -HOUR)
        .split("\n")
        .every((line) => line.length <= 80),
    );
    assert.match(statusScreen(many, NOW, -HOUR), /and 396 more/);
  });

  for (const code of [
    "E_NAME_TAKEN",
    "E_UUID_OTHER_KEY",
    "E_DENIED",
    "E_INVALID",
    "E_GROUP_UNKNOWN",
    "E_OF_TOMORROW",
  ]) {
    it(`RECEIPT-RANGE says what to do next about ${code}`, () => {
      assert.match(remedy(code, 42_511, "gw-004417"), /^Next: .*(airlock-export|airlock-import)/);
    });
  }
});
