import type { BenchRow } from "../bench-row.ts";
import { notMeasured } from "../outcome.ts";
import { hasProgram } from "../programs-here.ts";

/** TPM 2.0 by way of swtpm. */
export const tpmRow: BenchRow = {
  name: "tpm",
  title: "TPM 2.0",
  async measure() {
    const reason = hasProgram("swtpm") ? "there is no site on a TPM yet" : "swtpm is not installed";
    return [notMeasured("TPM 2.0 (swtpm)", ">= 0.9 of the token alone", reason)];
  },
};
