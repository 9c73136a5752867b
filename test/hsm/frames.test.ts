import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FrameError, FrameReader } from "../../src/hsm/frames.ts";
import { MAX_FRAME_BYTES } from "../../src/hsm/messages.ts";

describe("frames of the signer's socket", () => {
  it("SIGNER-GATE come out as they went in, however the stream is cut", () => {
    const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(texts, fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(encodeFrame));
        const reader = new FrameReader();
        const read: string[] = [];
        for (let offset = 0; offset < bytes.length; ) {
          const end = offset + (cuts.next().value ?? 1);
          read.push(...reader.push(bytes.subarray(offset, end)));
          offset = end;
        }
        assert.deepEqual(read, sent);
      }),
    );
  });

  it("SIGNER-GATE hold the largest message and nothing larger", () => {
    const largest = "x".repeat(MAX_FRAME_BYTES);
    assert.deepEqual(new FrameReader().push(encodeFrame(largest)), [largest]);
    assert.throws(() => encodeFrame(`${largest}x`), FrameError);
    const header = Buffer.alloc(4);
    header.writeUInt32BE(MAX_FRAME_BYTES + 1);
    assert.throws(() => new FrameReader().push(header), FrameError);
  });
});
