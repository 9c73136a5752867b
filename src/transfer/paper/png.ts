import { crc32, deflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * A black and white PNG (RFC 2083): one bit a pixel, no filter. The same picture always gives the same bytes.
 * @param rows pixels, true for black; all rows of one length
 * @param pixelsPerMetre so that a printer keeps the size
 */
export function encodePng(rows: readonly (readonly boolean[])[], pixelsPerMetre: number): Buffer {
  const width = rows[0]?.length ?? 0;
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(rows.length, 4);
  // Bit depth 1, colour type 0 (grey), deflate, adaptive filters, not interlaced.
  head.set([1, 0, 0, 0, 0], 8);
  const size = Buffer.alloc(9);
  size.writeUInt32BE(pixelsPerMetre, 0);
  size.writeUInt32BE(pixelsPerMetre, 4);
  size[8] = 1;
  const pixels = Buffer.concat(rows.map(packRow));
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", head),
    chunk("pHYs", size),
    chunk("IDAT", deflateSync(pixels)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Filter byte 0, then eight pixels a byte, 1 for white. */
function packRow(row: readonly boolean[]): Buffer {
  const bytes = Buffer.alloc(1 + Math.ceil(row.length / 8));
  row.forEach((isBlack, x) => {
    const at = 1 + (x >> 3);
    if (!isBlack) bytes[at] = (bytes[at] ?? 0) | (0x80 >> (x & 7));
  });
  return bytes;
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([frame.subarray(0, 4), named, frame.subarray(4)]);
}
