import type { BundleSource } from "./media.ts";

const BLOCK = 512;

/**
 * One bundle as a POSIX ustar archive (IEEE Std 1003.1, pax, "ustar Interchange Format"): its directory, then its
 * files in their order. Owner, time and mode are fixed, so the same bundle always gives the same bytes.
 */
export async function* encodeBundleTar({ directory, read }: BundleSource): AsyncGenerator<Buffer> {
  yield encodeHeader({ path: `${directory}/`, size: 0, type: "5", mode: 0o755 });
  // A header stands before its file and names its size: one file, at most 64 MiB, is held at a time.
  let open: { name: string; chunks: Uint8Array[] } | undefined;
  for await (const { file: name, chunk } of read()) {
    if (open !== undefined && open.name !== name) yield encodeFile(`${directory}/${open.name}`, open.chunks);
    if (open?.name !== name) open = { name, chunks: [] };
    open.chunks.push(chunk);
  }
  if (open !== undefined) yield encodeFile(`${directory}/${open.name}`, open.chunks);
  // Two blocks of zeros end the archive.
  yield Buffer.alloc(2 * BLOCK);
}

function encodeFile(path: string, chunks: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(chunks);
  const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
  return Buffer.concat([encodeHeader({ path, size: content.length, type: "0", mode: 0o644 }), content, padding]);
}

interface Header {
  /** ASCII, at most 100 characters: a bundle's names never need the prefix field. */
  readonly path: string;
  readonly size: number;
  readonly type: "0" | "5";
  readonly mode: number;
}

function encodeHeader({ path, size, type, mode }: Header): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  header.write(path, 0, 100, "latin1");
  header.write(octal(mode, 7), 100, "latin1");
  header.write(octal(0, 7), 108, "latin1");
  header.write(octal(0, 7), 116, "latin1");
  header.write(octal(size, 11), 124, "latin1");
  header.write(octal(0, 11), 136, "latin1");
  header.write(" ".repeat(8), 148, "latin1");
  header.write(type, 156, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  header.write(octal(0, 7), 329, "latin1");
  header.write(octal(0, 7), 337, "latin1");
  // The checksum is taken with blanks in its own place.
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148, "latin1");
  return header;
}
