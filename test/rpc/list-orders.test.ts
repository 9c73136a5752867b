import assert from "node:assert/strict";
import type { RecordDraft } from "../../src/log/record.ts";
import { listOrders } from "../../src/rpc/custody/list-orders.ts";
import { type CustodySite, decide, makeCustodySite, orderOf } from "../support/custody-site.ts";
import { by, registration } from "../support/log-drafts.ts";

function made(number: number, order: string, replaces?: number): RecordDraft {
  const draft = registration(number, replaces === undefined ? {} : { replaces });
  return { ...draft, body: { ...draft.body, order } } as RecordDraft;
}

describe("what became of work orders", () => {
  let site: CustodySite;

  before(async () => {
    site = await makeCustodySite();
    await decide(site.log, orderOf({ id: "wo-1", count: 3, replacements: 1 }));
    await decide(site.log, orderOf({ id: "wo-2" }));
  });

  after(() => site.remove());

  it("ORDER-QUOTA counts made, replaced and voided by order, also after a restart; scrap returns nothing", async () => {
    const [first, second] = [await site.log.append(made(1, "wo-1")), await site.log.append(made(2, "wo-1"))];
    await site.log.append(made(3, "wo-2"));
    await site.log.append(registration(4));
    await site.log.append(made(5, "wo-1", first.seq));
    for (const { seq } of [second, second, first]) {
      await site.log.append({ kind: "void", body: { registration: seq, reason: "scrapped", by } });
    }
    const count = async () => (await listOrders(site.log)()).orders.map((o) => [o.id, o.made, o.replaced, o.voided]);
    const expected = [
      ["wo-1", 2n, 1n, 2n],
      ["wo-2", 1n, 0n, 0n],
    ];
    assert.deepEqual(await count(), expected);
    await site.restart();
    assert.deepEqual(await count(), expected);
  });
});
