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
    case "generate-next-key":
      return { id, ok: true, status: await core.generateNextKey() };
    case "sign-ceremony":
      return encodeSigned(id, await core.signCeremony(request));
    case "present-share":
      return { id, ok: true, held: await core.sealing.present(request.purpose, Buffer.from(request.share, "base64")) };
    case "unseal":
      await core.sealing.unseal();
      return { id, ok: true, status: core.status() };
    case "seal":
      await core.sealing.seal();
      return { id, ok: true, status: core.status() };
    case "split-pin":
      return { id, ok: true, split: await core.sealing.split(request.needed, request.total) };
    case "confirm-split":
      await core.sealing.confirmSplit(request.split);
      return { id, ok: true, status: core.status() };
  }
}

function encodeSigned(id: number, { signature, ledger }: Signed): SignerAnswer {
  return { id, ok: true, signature: signature.toString("base64"), ledger };
}
