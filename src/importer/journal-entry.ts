import { z } from "zod";
import { RECEIPT_OUTCOMES, REJECT_CODES } from "../transfer/receipt.ts";

const seq = z.int().positive();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const at = z.iso.datetime({ precision: 3 });

/** A bundle that was verified, joined to what was known and kept. */
export const BundleEntrySchema = z.strictObject({
  t: z.literal("bundle"),
  at,
  bundle: seq,
  id: sha256,
  first: seq,
  last: seq,
  before: sha256,
  after: sha256,
  /** Id of the bundle before it; empty for bundle 1. */
  previous: z.union([sha256, z.literal("")]),
  registrations: z.int().nonnegative(),
  /** Device-ca certificates that its records account for. */
  certificates: z.int().nonnegative(),
  /** In the first bundle of a log that continues another one: that one's end, and the ledger's count there. */
  continues: z
    .strictObject({ log: z.string().regex(/^[0-9a-f]{8}$/), seq, hash: sha256, certificates: z.int().nonnegative() })
    .optional(),
  /** Device-ca certificates by the signer's ledger when it was sealed. */
  ledgerCount: z.int().nonnegative(),
  headSeq: seq,
  sealedAt: at,
  receipt: z.strictObject({ importer: z.string(), number: seq }).nullable(),
  voids: z.array(seq),
  renames: z.array(z.strictObject({ seq, name: z.string() })),
  replaces: z.array(z.strictObject({ seq, by: seq })),
  seals: z.array(z.strictObject({ bundle: seq, id: sha256 })),
});
export type BundleEntry = z.infer<typeof BundleEntrySchema>;

/** What is final about a registration; `pending` is never journalled, it is the absence of this. */
const OutcomeEntrySchema = z.strictObject({
  t: z.literal("outcome"),
  at,
  seq,
  outcome: z.enum(RECEIPT_OUTCOMES).exclude(["pending"]),
  code: z.enum(REJECT_CODES).optional(),
  /** For people: the server's words, or what else should be known. Printable ASCII. */
  note: z.string().max(300).optional(),
});
export type OutcomeEntry = z.infer<typeof OutcomeEntrySchema>;

export const JournalEntrySchema = z.discriminatedUnion("t", [
  BundleEntrySchema,
  /** A device is about to be created: from here on the Factory may have it. */
  z.strictObject({ t: z.literal("call"), at, seq }),
  OutcomeEntrySchema,
  /** A receipt as it was signed; its file can be written again from here. */
  z.strictObject({ t: z.literal("receipt"), at, number: seq, sha256, der: z.base64() }),
  /** A deny-list entry is about to be removed on a person's word. */
  z.strictObject({ t: z.literal("clear-denied"), at, uuid: z.string() }),
]);
export type JournalEntry = z.infer<typeof JournalEntrySchema>;
