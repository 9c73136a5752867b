import { dirname, resolve } from "node:path";
import { parse } from "smol-toml";
import type { z } from "zod";
import { ConfigError } from "./config-error.ts";

/**
 * Strict bytes → checked value: an unknown, missing or mistyped key is an error with its path.
 * @throws ConfigError
 */
export function parseToml<T extends z.ZodType>(file: string, text: string, schema: T): z.infer<T> {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (cause) {
    throw new ConfigError(file, [`not TOML: ${cause instanceof Error ? cause.message.split("\n")[0] : "unreadable"}`]);
  }
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  throw new ConfigError(file, result.error.issues.flatMap(describe));
}

function describe(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `${path === "" ? key : `${path}.${key}`} is not a known key`);
  }
  return [`${path === "" ? "the file" : path}: ${issue.message}`];
}

/** Makes a path of the file absolute: relative ones count from the file's own directory. */
export function resolveBeside(file: string, path: string): string {
  return resolve(dirname(resolve(file)), path);
}
