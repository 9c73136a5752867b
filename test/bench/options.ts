import { parseArgs } from "node:util";

export const HELP = `npm run bench -- [options]

  --full          also the large queue of 1,000,000 records (some minutes more)
  --only ROW,...  these rows alone; --list names them
  --list          names of the rows
  --scale F       every count and duration times F, for trying the bench itself (default 1)
  --profile       CPU profiles of airlockd and airlock-signer while the rows run, and their top functions;
                  the figures are then worth nothing and are not kept
`;

export interface BenchOptions {
  readonly isFull: boolean;
  readonly isProfile: boolean;
  readonly isList: boolean;
  readonly isHelp: boolean;
  /** Names of rows; empty: all. */
  readonly only: readonly string[];
  readonly scale: number;
}

/** @throws Error with a sentence for people */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      full: { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      only: { type: "string", default: "" },
      scale: { type: "string", default: "1" },
    },
  });
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 10)) throw new Error("--scale takes a number above 0 and up to 10");
  return {
    isFull: values.full,
    isProfile: values.profile,
    isList: values.list,
    isHelp: values.help,
    only: values.only.split(",").filter((name) => name !== ""),
    scale,
  };
}
