/** 41873 → "41,873". */
export function formatCount(value: number | bigint): string {
  return value.toLocaleString("en-US");
}

/** d8ec64… → "D8:EC:64:…": as every other tool prints a fingerprint. */
export function formatFingerprint(sha256: string): string {
  return (sha256.toUpperCase().match(/../g) ?? []).join(":");
}

/** How long ago, in the two largest units: "3 d 04 h". */
export function formatAge(fromIso: string, nowMs: number): string {
  const minutes = Math.max(0, Math.floor((nowMs - Date.parse(fromIso)) / 60_000));
  const [days, hours] = [Math.floor(minutes / 1_440), Math.floor((minutes % 1_440) / 60)];
  const two = (value: number) => String(value).padStart(2, "0");
  if (days > 0) return `${days} d ${two(hours)} h`;
  return hours > 0 ? `${hours} h ${two(minutes % 60)} min` : `${minutes} min`;
}

/** 3_355_443 → "3.4 MB": decimal units, as on the stick's box. */
export function formatBytes(bytes: number | bigint): string {
  let value = Number(bytes);
  for (const unit of ["bytes", "kB", "MB", "GB"]) {
    if (value < 1_000) return unit === "bytes" ? `${value} ${unit}` : `${value.toFixed(1)} ${unit}`;
    value /= 1_000;
  }
  return `${value.toFixed(1)} TB`;
}

/** Makes a protobuf answer printable as JSON: bigint becomes a number, which sequence numbers never outgrow. */
export function encodeJson(value: object): string {
  return JSON.stringify(value, (_key, member: unknown) => (typeof member === "bigint" ? Number(member) : member));
}

const MIN_WIDTH = 40;

/**
 * Breaks lines for a terminal of so many columns, between words; what continues a line stands two further in. A word
 * that is longer (a path, an address) stays whole, so that it can be copied. Undefined columns: nothing is broken.
 */
export function wrapText(text: string, columns: number | undefined): string {
  if (columns === undefined) return text;
  const width = Math.max(columns, MIN_WIDTH);
  return text
    .split("\n")
    .flatMap((line) => wrapLine(line, width))
    .join("\n");
}

function wrapLine(line: string, width: number): string[] {
  const indent = `${/^ */.exec(line)?.[0] ?? ""}  `;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const text = rest.search(/[^ ]/);
    const fitting = rest.lastIndexOf(" ", width);
    const at = fitting > text ? fitting : rest.indexOf(" ", Math.max(width, text));
    if (at < 0) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = indent + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}
