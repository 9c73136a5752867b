import type { TransferClient } from "../../rpc/transfer-client.ts";
import type { ExitCode } from "../exit-codes.ts";
import type { Output } from "../import/output.ts";
import type { ExportOptions } from "./main.ts";

/** One command: its words after its name, its options, where it writes, the appliance. Returns the exit code. */
export type ExportCommand = (
  words: readonly string[],
  values: ExportOptions,
  output: Output,
  client: TransferClient,
) => Promise<ExitCode>;
