const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

/** RFC 4648 §7 without padding. Its letters end at V: keyboards that swap Y and Z still type it right. */
export function encodeBase32Hex(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += DIGITS[(held >>> (bits - 5)) & 31];
    held &= 31;
  }
  return bits === 0 ? text : text + DIGITS[(held << (5 - bits)) & 31];
}

/** Undefined unless the text is exactly what `encodeBase32Hex` writes. */
export function parseBase32Hex(text: string): Buffer | undefined {
  const bytes: number[] = [];
  let held = 0;
  let bits = 0;
  for (const digit of text) {
    const value = DIGITS.indexOf(digit);
    if (value < 0) return undefined;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >>> bits) & 0xff);
  }
  const parsed = Buffer.from(bytes);
  return encodeBase32Hex(parsed) === text ? parsed : undefined;
}
