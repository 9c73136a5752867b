/**
 * The importer's own state directory is not usable as it is: missing, incomplete, damaged or in use. The sentence says
 * what to do. Exit code 2.
 */
export class StateError extends Error {
  override name = "StateError";
}
