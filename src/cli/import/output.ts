import { wrapText } from "../text.ts";

/** Where a command writes: sentences for people, and with --json one object a line for programs. */
export interface Output {
  /** A line for people: stdout, or stderr when stdout belongs to programs. */
  say(line: string): void;
  /** An event for programs; nothing without --json. */
  emit(event: Readonly<Record<string, unknown>>): void;
}

export function openOutput(isJson: boolean): Output {
  if (!isJson) return { say: (line) => write(process.stdout, line), emit: () => undefined };
  return {
    say: (line) => write(process.stderr, line),
    emit: (event) => void process.stdout.write(`${JSON.stringify(event)}\n`),
  };
}

/** Columns are known of a terminal only: what goes to a file stays one line. */
function write(stream: NodeJS.WriteStream, line: string): void {
  stream.write(`${wrapText(line, stream.columns)}\n`);
}
