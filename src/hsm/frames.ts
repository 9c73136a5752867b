import { MAX_FRAME_BYTES } from "./messages.ts";

/** A frame that announces more than MAX_FRAME_BYTES: nothing after it can be trusted, so close the connection. */
export class FrameError extends Error {
  override name = "FrameError";
}

/** One frame: 4-byte big-endian length, then the text as UTF-8. */
export function encodeFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  if (length > MAX_FRAME_BYTES) throw new FrameError("frame too large");
  const frame = Buffer.allocUnsafe(4 + length);
  frame.writeUInt32BE(length);
  frame.write(text, 4);
  return frame;
}

/** Cuts a byte stream into frames; holds at most one frame and one chunk. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @returns the texts of all frames that are whole now. @throws FrameError */
  push(chunk: Buffer): string[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const texts: string[] = [];
    let offset = 0;
    while (offset + 4 <= bytes.length) {
      const length = bytes.readUInt32BE(offset);
      // Refused by its announcement, before a byte of it is kept.
      if (length > MAX_FRAME_BYTES) throw new FrameError("frame too large");
      const end = offset + 4 + length;
      if (end > bytes.length) break;
      texts.push(bytes.toString("utf8", offset + 4, end));
      offset = end;
    }
    this.#rest = bytes.subarray(offset);
    return texts;
  }
}
