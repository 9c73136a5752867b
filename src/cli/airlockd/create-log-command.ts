import { readFile } from "node:fs/promises";
import { systemClock } from "../../clock.ts";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import { createLog } from "../../log/create-log.ts";
import type { RecordDraft } from "../../log/record.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";

/** `--create-log`: the only place where stores come into being; refuses where anything is already. */
export async function createLogCommand(config: ApplianceConfig, genesisFile: string): Promise<ExitCode> {
  const drafts = parseDrafts(await readFile(genesisFile, "utf8"));
  const { store } = config;
  const { log } = await createLog(
    {
      journalDir: store.journal,
      databaseDir: store.database,
      clock: systemClock,
      onFatal: (refusal) => {
        throw refusal;
      },
    },
    drafts,
  );
  process.stdout.write(`Created log ${log} with ${drafts.length} records\nNext: start airlock-signer, then airlockd\n`);
  return EXIT.done;
}

/** The codec checks every member again when it encodes; here only the shape. */
function parseDrafts(text: string): RecordDraft[] {
  const drafts: unknown = JSON.parse(text);
  if (!Array.isArray(drafts) || drafts[0]?.kind !== "genesis") {
    throw new UsageError("this is not the genesis.json that airlock-custody install-cert wrote");
  }
  return drafts as RecordDraft[];
}
