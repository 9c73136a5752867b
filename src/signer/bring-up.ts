import type { CaptiveKeys } from "./captive-keys.ts";
import { type OpenAnswer, type OpenRequest, REQUEST, type TokenFacts } from "./child-frames.ts";
import { ruleFor } from "./ckr.ts";
import type { PinGuard, PinResult } from "./pin-guard.ts";
import { proveKeys } from "./prove-keys.ts";
import { TokenFailure, type TokenProcess } from "./token-process.ts";

export interface TokenAccess {
  readonly open: OpenRequest;
  readonly pin: PinGuard;
  /** KEY-CAPTIVE on what the token tells of its keys. @throws Refusal */
  readonly checkFacts: (facts: TokenFacts) => CaptiveKeys;
}

/**
 * Makes a new child ready: module, token, PIN, KEY-CAPTIVE. Children come up one after another, so that a PIN that
 * turns out wrong has been presented once.
 * @throws Refusal when a person must act; TokenFailure, TokenGone when another try may help
 */
export async function bringUp(child: TokenProcess, access: TokenAccess): Promise<CaptiveKeys> {
  const { open, pin } = access;
  const token = parseJson<OpenAnswer>(await child.request(REQUEST.open, Buffer.from(JSON.stringify(open))));
  const facts = await pin.present(token, (bytes) => child.login(bytes), judgeLogin);
  return await checkAndProve(child, facts, access);
}

/** A new session of a child that is logged in, with every check of KEY-CAPTIVE again. */
export async function renew(child: TokenProcess, access: TokenAccess): Promise<CaptiveKeys> {
  return await checkAndProve(child, await child.request(REQUEST.renew), access);
}

/** The ceremony's three keys. */
export async function generate(child: TokenProcess, access: TokenAccess): Promise<CaptiveKeys> {
  return await checkAndProve(child, await child.request(REQUEST.generate), access);
}

/** One more key, by its place in TOKEN_LABELS. */
export async function generateOne(child: TokenProcess, access: TokenAccess, keyIndex: number): Promise<CaptiveKeys> {
  return await checkAndProve(child, await child.request(REQUEST.generateOne, Uint8Array.of(keyIndex)), access);
}

async function checkAndProve(child: TokenProcess, facts: Buffer, access: TokenAccess): Promise<CaptiveKeys> {
  const keys = access.checkFacts(parseJson<TokenFacts>(facts));
  await proveKeys(keys, ({ index }, input) => signWith(child, index, input));
  return keys;
}

/** @throws TokenFailure, TokenGone */
export function signWith(child: TokenProcess, keyIndex: number, input: Buffer): Promise<Buffer> {
  return child.request(REQUEST.sign, Uint8Array.of(keyIndex), input);
}

function judgeLogin(error: unknown): PinResult {
  if (!(error instanceof TokenFailure)) return "unknown";
  return ruleFor(error.ckr).action === "seal" ? "refused" : "unknown";
}

/** From our own child, whose word on the token is all there is. */
function parseJson<T>(body: Buffer): T {
  return JSON.parse(body.toString("utf8")) as T;
}
