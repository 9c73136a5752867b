import { z } from "zod";

export const BUNDLE_TYPE = "urn:airlock:bundle:1";

/** More outstanding bundles than this are not named; the list holds the newest. It keeps the seal's record small. */
export const MAX_OUTSTANDING = 256;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().positive();

export const ManifestSchema = z.strictObject({
  type: z.literal(BUNDLE_TYPE),
  factory: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  appliance: z.string().regex(/^[A-Za-z0-9-]{1,31}$/),
  log: z.string().regex(/^[0-9a-f]{8}$/),
  /** From 1, dense. */
  bundle: count.max(9_999_999),
  /** All kinds, none left out; `bytes` is the size of RECORDS.NDJSON. */
  records: z.strictObject({ count, first: count, last: count, bytes: count }),
  /** Hash of the line before the first record, and of the last record's line. */
  chain: z.strictObject({ before: sha256, after: sha256 }),
  /** Id of the bundle before this one; empty in bundle 1. */
  previous: z.union([sha256, z.literal("")]),
  /** The last receipt that the appliance applied. */
  receipt: z.strictObject({ importer: z.string().regex(/^[A-Za-z0-9]{1,12}$/), number: count }).nullable(),
  /** Earlier bundles that no receipt covers yet. */
  outstanding: z.array(count).max(MAX_OUTSTANDING),
  /** The newest record when the bundle was sealed; beyond `records.last` when more bundles follow. */
  head: z.strictObject({ seq: count }),
  sealedAt: z.iso.datetime({ precision: 3 }),
  software: z.string().regex(/^[A-Za-z0-9 ._+-]{1,64}$/),
});
export type Manifest = z.infer<typeof ManifestSchema>;

/** One member a line, in the order above: readable by a person, and the same bytes every time. */
export function encodeManifest(manifest: Manifest): string {
  const checked = ManifestSchema.parse(manifest);
  const members = Object.entries(checked).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `{\n${members.join(",\n")}\n}\n`;
}

/** What stood in the file, or why it is none that this version reads. */
export type ManifestReading =
  | { readonly result: "manifest"; readonly manifest: Manifest }
  | { readonly result: "other-version" }
  | { readonly result: "malformed" };

/** Accepts exactly the bytes that `encodeManifest` makes. */
export function parseManifest(text: string): ManifestReading {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return { result: "malformed" };
  }
  if (isOtherVersion(raw)) return { result: "other-version" };
  const parsed = ManifestSchema.safeParse(raw);
  if (!parsed.success || encodeManifest(parsed.data) !== text) return { result: "malformed" };
  return { result: "manifest", manifest: parsed.data };
}

function isOtherVersion(raw: unknown): boolean {
  const type = typeof raw === "object" && raw !== null && "type" in raw ? raw.type : undefined;
  return typeof type === "string" && type !== BUNDLE_TYPE && /^urn:airlock:bundle:\d{1,4}$/.test(type);
}
