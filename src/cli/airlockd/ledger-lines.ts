import { createReadStream } from "node:fs";
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connectSigner } from "../../hsm/signer-client.ts";
import { LEDGER_FILE } from "../../signer/open-ledger.ts";

/**
 * Lines of the signer's ledger, from the signer where it answers, else from its file where this user may read it.
 * @returns undefined where neither is so
 */
export async function ledgerLines(socket: string, directory: string): Promise<AsyncIterable<string> | undefined> {
  const signer = connectSigner(socket);
  const status = await signer.status().catch(() => undefined);
  if (status !== undefined) return fromSigner(signer, status.ledger.number);
  signer.close();
  const file = join(directory, LEDGER_FILE);
  const isReadable = await access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
  return isReadable ? fromFile(file) : undefined;
}

/** Opened when it is read: readline drops what comes before somebody listens. */
async function* fromFile(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(file, "latin1") });
}

/** Up to the line that was the last one when this began: the signer may go on. */
async function* fromSigner(signer: ReturnType<typeof connectSigner>, last: number): AsyncGenerator<string> {
  try {
    let number = 0;
    if (last === 0) return;
    for await (const line of signer.readLedger(0)) {
      yield line;
      if (++number === last) return;
    }
  } finally {
    signer.close();
  }
}
