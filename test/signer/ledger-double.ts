import type { LedgerFile } from "../../src/signer/ledger-file.ts";

/** A ledger's file in memory that notes the order of its calls, holds a sync back, and fails when it is told to. */
export class LedgerDouble implements LedgerFile {
  /** `append <lines>` and `sync`, as they were called. */
  readonly calls: string[] = [];
  text = "";
  failure: { readonly at: "append" | "sync"; readonly hasLanded: boolean } | undefined;
  #held: PromiseWithResolvers<void> | undefined;

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  async append(bytes: Buffer): Promise<void> {
    this.calls.push(`append ${bytes.toString("latin1").split("\n").length - 1}`);
    const isFailing = this.failure?.at === "append";
    if (!isFailing || this.failure?.hasLanded === true) this.text += bytes.toString("latin1");
    if (isFailing) throw new Error("ENOSPC");
  }

  async datasync(): Promise<void> {
    this.calls.push("sync");
    await this.#held?.promise;
    if (this.failure?.at === "sync") throw new Error("EIO");
  }
}
