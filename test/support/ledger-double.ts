import type { LedgerState, LogHead } from "../../src/hsm/messages.ts";
import { lineHash, ZERO_HASH } from "../../src/log/chain.ts";
import { encodeLedgerLine, type Profile } from "../../src/signer/ledger-line.ts";
import { sha256 } from "./log-drafts.ts";

const ZERO_HEAD: LogHead = { seq: 0, hash: ZERO_HASH };

/** A signer's ledger as the signer itself writes it. */
export class LedgerDouble {
  readonly lines: string[] = [];
  certificates = 0;
  head = ZERO_HEAD;

  add(profile: Profile, head: LogHead = this.head, tbs = sha256(`tbs ${this.lines.length + 1}`)): this {
    const before = this.lines.at(-1);
    const key = profile === "server" ? "line-ca" : profile === "bundle-attributes" ? "bundle-sign" : "device-ca";
    if (profile === "device" || profile === "bundle") this.certificates++;
    this.head = head.seq > this.head.seq || profile === "epoch" ? head : this.head;
    const n = this.lines.length + 1;
    const line = encodeLedgerLine({
      n,
      prev: before === undefined ? ZERO_HASH : lineHash(`${before}\n`),
      at: "2026-11-23T02:35:11.123Z",
      profile,
      ...(profile === "head" || profile === "epoch" ? {} : { signed: { key, tbs } }),
      certificates: this.certificates,
      head,
    });
    this.lines.push(line.slice(0, -1));
    return this;
  }

  get state(): LedgerState {
    const last = this.lines.at(-1);
    return {
      number: this.lines.length,
      hash: last === undefined ? ZERO_HASH : lineHash(`${last}\n`),
      certificates: this.certificates,
      head: this.head,
    };
  }
}
