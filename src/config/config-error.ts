/** A configuration file that cannot be used; every line names the key by its path. Exit code 2. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly problems: readonly string[];

  constructor(file: string, problems: readonly string[]) {
    super(`${file}: ${problems.join("; ")}`);
    this.problems = problems;
  }
}
