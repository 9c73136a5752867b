import { createHash } from "node:crypto";
import { SHARE_VALUE_BYTES } from "../../hsm/share-envelope.ts";
import { Refusal } from "../../refusal.ts";

/** One custodian's share as it stands in a file or on paper. */
export interface ShareFile {
  readonly appliance: string;
  readonly splitNumber: number;
  readonly splitId: string;
  readonly index: number;
  readonly total: number;
  readonly needed: number;
  /** SHA-256 of the signer's public share key, as in the transcript: what the share is encrypted to must be this. */
  readonly signer: string;
  readonly value: Buffer;
}

const FORM =
  /^airlock-share 1\nappliance ([A-Za-z0-9-]{1,31})\nsplit (\d{1,9}) ([0-9a-f]{8})\nshare (\d{1,3}) of (\d{1,3}), (\d{1,3}) needed\nsigner ([0-9a-f]{64})\nvalue ([0-9a-f ]+)\ncheck ([0-9a-f]{8})\n$/;

/** Text of a few short lines; the value in groups of four digits, for who types it. */
export function encodeShareFile(share: ShareFile): string {
  const digits = share.value.toString("hex").match(/.{1,4}/g) ?? [];
  const body = `airlock-share 1
appliance ${share.appliance}
split ${share.splitNumber} ${share.splitId}
share ${share.index} of ${share.total}, ${share.needed} needed
signer ${share.signer}
value ${digits.join(" ")}
`;
  return `${body}check ${checkOf(body)}\n`;
}

/** @throws Refusal DUAL-CONTROL when the text is no share, or was changed */
export function parseShareFile(text: string): ShareFile {
  const lines = text.replaceAll("\r\n", "\n");
  const match = FORM.exec(lines);
  if (match === null) throw damaged();
  const [, appliance = "", number, splitId = "", index, total, needed, signer = "", digits = "", check] = match;
  const value = Buffer.from(digits.replaceAll(" ", ""), "hex");
  if (check !== checkOf(lines.slice(0, lines.lastIndexOf("check ")))) throw damaged();
  if (value.length !== SHARE_VALUE_BYTES) throw damaged();
  return {
    appliance,
    splitNumber: Number(number),
    splitId,
    index: Number(index),
    total: Number(total),
    needed: Number(needed),
    signer,
    value,
  };
}

/** Finds typing errors; what is forged the signer finds. */
function checkOf(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 8);
}

function damaged(): Refusal {
  return new Refusal("DUAL-CONTROL", "malformed", "This file is no share, or a character of it is wrong. Compare it.");
}
