/**
 * - `missing`, `not-a-directory`, `read-only`, `full`: found before anything was written, or while writing.
 * - `gone`: it was there and no longer answers.
 * - `several`: more than one is plugged in and none was named.
 * - `different`: it holds another bundle under the same name.
 * - `damaged`: what was read back is not what was written.
 */
export type MediumProblem =
  | "missing"
  | "several"
  | "not-a-directory"
  | "read-only"
  | "full"
  | "gone"
  | "different"
  | "damaged";

/** A medium that cannot be used. Nothing inside the appliance has changed: what was to be written is still there. Exit code 9. */
export class MediumError extends Error {
  override name = "MediumError";
  readonly problem: MediumProblem;

  constructor(problem: MediumProblem, sentence: string, cause?: unknown) {
    super(sentence, cause === undefined ? undefined : { cause });
    this.problem = problem;
  }
}

const PROBLEM_OF: Readonly<Record<string, MediumProblem>> = {
  ENOSPC: "full",
  EDQUOT: "full",
  EROFS: "read-only",
  EACCES: "read-only",
  EPERM: "read-only",
  ENOENT: "gone",
  EIO: "gone",
  ENODEV: "gone",
  ENXIO: "gone",
  ESTALE: "gone",
};

const SENTENCE: Readonly<Record<"full" | "read-only" | "gone", string>> = {
  full: "The medium is full. Nothing is lost: the records are still queued. Use an empty one and run the same command.",
  "read-only": "The medium cannot be written (a lock switch, or no permission). Unlock it or use another one.",
  gone:
    "The medium disappeared while it was being used. Nothing is lost: the records are still queued. " +
    "Put it, or another, back and run the same command.",
};

/** The medium is not there any more, although no operation on it failed. */
export function goneError(): MediumError {
  return new MediumError("gone", SENTENCE.gone);
}

/** Runs one operation on the medium and gives its operating-system errors their sentence; other errors pass. */
export async function onMedium<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const problem = PROBLEM_OF[code];
    if (problem === "full" || problem === "read-only" || problem === "gone") {
      throw new MediumError(problem, SENTENCE[problem], error);
    }
    throw error;
  }
}
