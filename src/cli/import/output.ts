/** Where a command writes: sentences for people, and with --json one object a line for programs. */
export interface Output {
  /** A line for people: stdout, or stderr when stdout belongs to programs. */
  say(line: string): void;
  /** An event for programs; nothing without --json. */
  emit(event: Readonly<Record<string, unknown>>): void;
}

export function openOutput(isJson: boolean): Output {
  if (!isJson) return { say: (line) => void process.stdout.write(`${line}\n`), emit: () => undefined };
  return {
    say: (line) => void process.stderr.write(`${line}\n`),
    emit: (event) => void process.stdout.write(`${JSON.stringify(event)}\n`),
  };
}
