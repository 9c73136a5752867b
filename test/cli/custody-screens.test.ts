import assert from "node:assert/strict";
import { clientLine } from "../../src/cli/custody/client-commands.ts";
import { orderScreen, reportTable } from "../../src/cli/custody/order-commands.ts";

const NOW = Date.parse("2026-11-23T12:00:00Z");

describe("the custodian's screens", () => {
  for (const [what, notAfter, revokedAt, words] of [
    ["with years to go", "2029-11-22T00:00:00.000Z", "", "until 2029-11-22 "],
    ["that ends within two months", "2026-12-24T12:00:00.000Z", "", "until 2026-12-24, 31 days left!"],
    ["that has ended", "2026-11-22T00:00:00.000Z", "", "EXPIRED 2026-11-22"],
    ["that was revoked", "2029-11-22T00:00:00.000Z", "2026-11-01T00:00:00.000Z", "REVOKED 2026-11-01"],
  ] as const) {
    it(`ROLE-METHOD: client list says of a certificate ${what}: ${words.trim()}`, () => {
      const client = {
        fingerprint: "0".repeat(64),
        role: "station",
        name: "line-1",
        notAfter,
        enrolledAt: "",
        revokedAt,
      };
      assert.ok(clientLine(client, NOW).includes(` ${words}`));
    });
  }

  for (const [what, terms, word] of [
    ["open", {}, "open"],
    ["used up", { made: 2_500n }, "USED UP"],
    ["closed", { closedAt: "2026-11-23T00:00:00.000Z" }, "CLOSED"],
    ["over", { until: "2026-11-22T00:00:00.000Z" }, "OVER"],
    ["not begun", { from: "2026-12-01T00:00:00.000Z" }, "not yet"],
  ] as const) {
    it(`ORDER-QUOTA: order list says of an order that is ${what}: ${word}`, () => {
      const order = {
        ...{ id: "wo-117", count: 2_500n, made: 3n, replacements: 10n, replaced: 0n, voided: 2n, stations: ["line-1"] },
        ...{ from: "2026-11-01T00:00:00.000Z", until: "2026-12-31T23:59:59.999Z", production: "require" },
        ...{ group: "", namePattern: "", hardwareIds: [], uuids: [], openedAt: "", closedAt: "" },
      };
      const screen = orderScreen({ ...order, ...terms }, NOW);
      assert.ok(screen.startsWith(`wo-117               ${word} `));
      assert.match(screen, /of 2,500 made, 0 of 10 replaced\n/);
    });
  }

  it("ORDER-QUOTA: order report says what was ordered, made, is left, was replaced and voided; scrap returns nothing", () => {
    const common = {
      ...{
        replacements: 10n,
        stations: ["line-1"],
        from: "2026-11-01T00:00:00.000Z",
        until: "2026-12-31T23:59:59.999Z",
      },
      ...{ production: "require", group: "", namePattern: "", hardwareIds: [], uuids: [], openedAt: "", closedAt: "" },
    };
    const orders = [
      { ...common, id: "wo-117", count: 2_500n, made: 1_204n, replaced: 3n, voided: 2n },
      { ...common, id: "wo-2026-118", count: 10n, made: 10n, replaced: 0n, voided: 10n },
    ];
    assert.equal(
      reportTable(orders, NOW),
      `order        state    ordered   made   left  replaced  voided
wo-117       open       2,500  1,204  1,296         3       2
wo-2026-118  USED UP       10     10      0         0      10
`,
    );
  });
});
