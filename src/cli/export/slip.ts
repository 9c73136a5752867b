import { checkWords } from "../../transfer/check-words.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { formatBytes, formatCount } from "../text.ts";
import type { ExportCommand } from "./command.ts";
import { findBundle } from "./find-bundle.ts";

/** What stands on a packing slip. */
export interface Slip {
  readonly appliance: string;
  readonly factory: string;
  readonly log: string;
  readonly number: number;
  readonly directory: string;
  readonly first: number;
  readonly last: number;
  readonly registrations: number;
  readonly totalBytes: number;
  /** UTC, ISO 8601. */
  readonly sealedAt: string;
  readonly id: string;
}

const WIDTH = 66;

/** `slip BUNDLE`: a page of plain text to print and put beside the stick. */
export const slipCommand: ExportCommand = async ([number], _values, output, client): Promise<ExitCode> => {
  const [bundle, { appliance, factory, log }] = [await findBundle(client, number), await client.status()];
  const slip: Slip = {
    ...{ appliance, factory, log },
    ...{ number: bundle.number, directory: bundle.directory, sealedAt: bundle.sealedAt, id: bundle.id },
    first: Number(bundle.firstSequence),
    last: Number(bundle.lastSequence),
    registrations: Number(bundle.registrations),
    totalBytes: Number(bundle.totalBytes),
  };
  output.emit({ event: "slip", ...slip, words: checkWords(slip.id) });
  for (const line of slipLines(slip)) output.say(line);
  return EXIT.done;
};

/** The slip, at most 70 columns wide: any printer takes it. */
export function slipLines(slip: Slip): string[] {
  const row = (label: string, value: string) => `  ${label.padEnd(13)} ${value}`;
  const half = slip.id.length / 2;
  return [
    `PACKING SLIP   Airlock bundle ${slip.number}`,
    "=".repeat(WIDTH),
    row("Appliance", `${slip.appliance}   log ${slip.log}   factory ${slip.factory}`),
    row("Directory", slip.directory),
    row(
      "Records",
      `${formatCount(slip.first)} to ${formatCount(slip.last)} (${formatCount(slip.last - slip.first + 1)})`,
    ),
    row("Registrations", formatCount(slip.registrations)),
    row("Size", formatBytes(slip.totalBytes)),
    row("Sealed", `${slip.sealedAt.slice(0, 19).replace("T", " ")} UTC`),
    row("Bundle id", groups(slip.id.slice(0, half))),
    row("", groups(slip.id.slice(half))),
    row("Check words", checkWords(slip.id)),
    "",
    "  The connected side compares the check words with its screen.",
    "  Nothing on this slip is secret, and nothing on it is proof.",
    "",
    ...box(["Handed over by", "Received by", "Date and time", "Receipt number"]),
    "",
    "  Until a receipt covers this bundle it goes out again with every",
    "  export, so a lost stick loses nothing.",
  ];
}

function groups(hex: string): string {
  return (hex.match(/.{8}/g) ?? []).join(" ");
}

function box(labels: readonly string[]): string[] {
  const edge = `  +${"-".repeat(WIDTH - 4)}+`;
  const line = (text: string) => `  | ${text.padEnd(WIDTH - 6)} |`;
  const blank = "_".repeat(WIDTH - 6 - 17);
  return [
    edge,
    line("RECEIPT"),
    line(""),
    ...labels.flatMap((label) => [line(`${label.padEnd(16)} ${blank}`), line("")]),
    edge,
  ];
}
