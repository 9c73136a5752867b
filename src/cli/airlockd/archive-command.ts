import type { ApplianceConfig } from "../../config/appliance-config.ts";
import { archiveSegments } from "../../log/archive-segments.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { formatCount } from "../text.ts";

/** `--archive DIR`: copies finished segments of the journal, at any time. */
export async function archiveCommand(config: ApplianceConfig, directory: string): Promise<ExitCode> {
  const { copied, compared, through } = await archiveSegments(config.store.journal, directory);
  for (const name of copied) process.stdout.write(`  copied     ${name}\n`);
  process.stdout.write(
    `Archived: records 1 to ${formatCount(through)} in ${formatCount(copied.length + compared)} segments, ` +
      `${formatCount(copied.length)} of them new; the open segment is left out\n` +
      `Next: check it anywhere, any time: cd ${directory} && sha256sum -c SHA256SUMS\n`,
  );
  return copied.length === 0 ? EXIT.nothingToDo : EXIT.done;
}
