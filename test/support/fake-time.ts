import { globSync } from "node:fs";
import { writeFile } from "node:fs/promises";

/** A clock that a test sets, for real programs (Debian: faketime). */
export interface FakeTime {
  /** For the programs' environment. */
  readonly env: Readonly<Record<string, string>>;
  /** `+10y`, `-10y`, `+0`; programs that run see it at once. */
  set(offset: string): Promise<void>;
}

/** @param file for the offset */
export async function makeFakeTime(file: string, offset: string): Promise<FakeTime> {
  const [library] = globSync(["/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1"]);
  if (library === undefined) throw new Error("faketime is not installed: run `apt-get install faketime`.");
  const set = (value: string) => writeFile(file, `${value}\n`);
  await set(offset);
  return {
    // Monotonic clocks stay as they are: they time handshakes and deadlines.
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    },
    set,
  };
}
