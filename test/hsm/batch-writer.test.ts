import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { BatchWriter } from "../../src/hsm/batch-writer.ts";

describe("hsm/batch-writer", () => {
  let writes: string[];
  let writer: BatchWriter;

  beforeEach(() => {
    writes = [];
    writer = new BatchWriter({ write: (bytes: Buffer) => writes.push(bytes.toString()) > 0 } as never);
  });

  const send = (...frames: string[]) => {
    for (const frame of frames) writer.write(Buffer.from(frame));
  };

  it("gathers the frames of one turn into one write", async () => {
    send("a", "b", "c");
    assert.deepEqual(writes, []);
    await turn();
    assert.deepEqual(writes, ["abc"]);
    send("d");
    await turn();
    assert.deepEqual(writes, ["abc", "d"]);
  });

  it("lets a crowd go by eights, in order, the rest at the end of the turn", async () => {
    send(..."abcdefghijklmnopqrs");
    assert.deepEqual(writes, ["abcdefgh", "ijklmnop"]);
    await turn();
    await turn();
    assert.equal(writes.join("|"), "abcdefgh|ijklmnop|qrs");
  });
});
