import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Environment of a program that sees the machine's clock moved, by `libfaketime` (Debian's package `faketime`).
 * Timers are left alone: only the time of day is wrong, as on a board whose battery is empty.
 *
 * @param offset as faketime writes it: `-2m`, `+60d`
 * @throws when the library is not installed
 */
export function wrongClock(offset: string): Readonly<Record<string, string>> {
  const library = readdirSync("/usr/lib")
    .filter((name) => name.endsWith("-linux-gnu"))
    .map((name) => join("/usr/lib", name, "faketime", "libfaketimeMT.so.1"))
    .find((path) => existsSync(path));
  if (library === undefined) throw new Error("install faketime: the tests with a wrong clock need it");
  return { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}
