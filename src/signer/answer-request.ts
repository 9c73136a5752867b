import type { SignerAnswer, SignerRequest } from "../hsm/messages.ts";
import type { Signed, SignerCore } from "./signer-core.ts";

/** One request of the socket, answered. @throws Refusal */
export async function answerRequest(core: SignerCore, request: SignerRequest): Promise<SignerAnswer> {
  const { id } = request;
  switch (request.op) {
    case "status":
      return { id, ok: true, status: core.status() };
    case "sign":
      return encodeSigned(id, await core.sign(request));
    case "note-head":
      return { id, ok: true, ledger: await core.noteHead(request.head) };
    case "begin-epoch":
      return { id, ok: true, ledger: await core.beginEpoch(request) };
    case "read-ledger":
      return { id, ok: true, lines: await core.readLedger(request.after) };
    case "reload":
      return { id, ok: true, status: await core.reload() };
    case "generate-keys":
      return { id, ok: true, status: await core.generateKeys() };
    case "sign-ceremony":
      return encodeSigned(id, await core.signCeremony(request));
  }
}

function encodeSigned(id: number, { signature, ledger }: Signed): SignerAnswer {
  return { id, ok: true, signature: signature.toString("base64"), ledger };
}
