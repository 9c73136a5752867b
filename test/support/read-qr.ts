import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { prepareZXingModule, readBarcodes } from "zxing-wasm/reader";

/** A picture as RGBA bytes. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/** Reads every QR code of a picture (PNG or raw pixels) with a decoder that is not ours, in the order of the page. */
export async function readQrCodes(picture: Uint8Array | Pixels): Promise<string[]> {
  const wasm = fileURLToPath(import.meta.resolve("zxing-wasm/reader/zxing_reader.wasm"));
  const wasmBinary = new Uint8Array(await readFile(wasm)).buffer;
  prepareZXingModule({ overrides: { wasmBinary } });
  const found = await readBarcodes(picture as Uint8Array, {
    formats: ["QRCode"],
    maxNumberOfSymbols: 16,
    tryHarder: true,
  });
  const place = ({ position }: (typeof found)[number]) =>
    Math.round(position.topLeft.y / 50) * 10_000 + position.topLeft.x;
  return found
    .filter(({ isValid }) => isValid)
    .sort((one, other) => place(one) - place(other))
    .map(({ text }) => text);
}
