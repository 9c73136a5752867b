import { readFile } from "node:fs/promises";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import {
  openRegistrationClient,
  type RegistrationClient,
  type StationRequest,
} from "../../src/rpc/registration-client.ts";
import { makeRequest } from "../support/station.ts";
import { ReceivedLedger } from "./received-ledger.ts";

/** A station in a process of its own: `torture-client.ts IDENTITY.json LEDGER`, driven by messages of its parent. */
export type ToClient =
  | { readonly kind: "prepare"; readonly count: number }
  | { readonly kind: "load"; readonly concurrency: number }
  | { readonly kind: "end" };

/** `settled` says that no call is under way and all that was received is on the client's disk. */
export type FromClient =
  | { readonly kind: "prepared" }
  | { readonly kind: "received"; readonly count: number }
  | { readonly kind: "settled"; readonly count: number; readonly cut: number };

const RETRY_MS = 30;
const DEADLINE_MS = 10_000;

const [identityFile = "", ledgerFile = ""] = process.argv.slice(2);
const identity = JSON.parse(await readFile(identityFile, "utf8")) as ClientIdentity;
const tell = (message: FromClient) => void process.send?.(message);
const ledger = new ReceivedLedger(ledgerFile, (count) => tell({ kind: "received", count }));
/** Signed beforehand. What was not answered comes first the next time, as a board asks again. */
const waiting: StationRequest[] = [];
let isEnding = false;
let cut = 0;

async function work(client: RegistrationClient): Promise<void> {
  for (let request = waiting.shift(); request !== undefined; request = isEnding ? undefined : waiting.shift()) {
    try {
      const { certificatePem, sequence } = await client.register(request);
      ledger.add({ uuid: request.uuid, sequence: Number(sequence), certificatePem });
    } catch {
      waiting.unshift(request);
      cut++;
      if (!isEnding) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function load(concurrency: number): Promise<void> {
  isEnding = false;
  cut = 0;
  // A connection of its own for every round, as after the restart of a station.
  const client = openRegistrationClient(identity, DEADLINE_MS);
  await Promise.all(Array.from({ length: concurrency }, () => work(client)));
  client.close();
  ledger.flush();
  tell({ kind: "settled", count: ledger.count, cut });
}

process.on("message", (message: ToClient) => {
  if (message.kind === "end") isEnding = true;
  else if (message.kind === "load") void load(message.concurrency);
  else {
    while (waiting.length < message.count) waiting.push(makeRequest());
    tell({ kind: "prepared" });
  }
});
process.once("disconnect", () => {
  ledger.close();
  process.exit();
});
