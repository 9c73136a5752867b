import { parseCertificate } from "../x509/certificate.ts";
import { parsePem } from "../x509/pem.ts";
import type { FactoryDevice, FoundriesPort, PortFailure } from "./foundries-port.ts";
import type { OutcomeEntry } from "./journal-entry.ts";
import type { Delivery } from "./plan.ts";

/** What is known of the Factory before the first device goes there. */
export interface FactoryKnowledge {
  /** Undefined when the token may not read the deny list. */
  readonly denied?: ReadonlySet<string>;
  /** Undefined when the token may not read the groups. */
  readonly groups?: ReadonlySet<string>;
  /** The token may correct the name or group of a device that is there already. */
  readonly canPatch: boolean;
}

export type Verdict = Pick<OutcomeEntry, "outcome" | "code" | "note">;

/** What one try came to. */
export type Attempt =
  | { readonly step: "settled"; readonly verdict: Verdict }
  /** Nobody can tell in this run; the device stays open. */
  | { readonly step: "pending"; readonly reason: string }
  /** The token was refused: nothing further will work, and no device is to blame. */
  | { readonly step: "unauthorised" }
  | { readonly step: "again"; readonly reason: string; readonly retryAfterMs?: number };

interface DeliveryInHand extends Delivery {
  readonly certificatePem: string;
}

/**
 * Tries once to create a device. A conflict is resolved by reading back what the Factory has, never by guessing.
 * @param certificatePem the device's, from the kept bundle
 * @param wasBegun an earlier try may have created it
 */
export async function attemptDelivery(
  port: FoundriesPort,
  factory: FactoryKnowledge,
  delivery: Delivery,
  certificatePem: string,
  wasBegun: boolean,
): Promise<Attempt> {
  const { name, group } = delivery;
  const created = await port.createDevice({ certificatePem, name, ...(group === undefined ? {} : { group }) });
  switch (created.outcome) {
    case "created":
      return settled({ outcome: "delivered" });
    case "conflict":
      return await resolveConflict(port, factory, { ...delivery, certificatePem }, wasBegun);
    default:
      return describeFailure(created);
  }
}

/** 409: the same device, its name taken, or another key under its uuid (or a denied uuid). */
async function resolveConflict(
  port: FoundriesPort,
  factory: FactoryKnowledge,
  delivery: DeliveryInHand,
  wasBegun: boolean,
): Promise<Attempt> {
  const found = await port.getDevice(delivery.uuid);
  switch (found.outcome) {
    case "absent":
      return explainAbsent(factory);
    case "found":
      return await compareDevice(port, factory, delivery, found.device, wasBegun);
    default:
      return describeFailure(found);
  }
}

/** Not there, yet in conflict: the name is another device's, unless the uuid is denied. */
function explainAbsent({ denied }: FactoryKnowledge): Attempt {
  if (denied !== undefined) return settled({ outcome: "rejected", code: "E_NAME_TAKEN" });
  return {
    step: "pending",
    reason: "the name is taken or the uuid is denied; this token may not read the deny list to tell which",
  };
}

async function compareDevice(
  port: FoundriesPort,
  factory: FactoryKnowledge,
  delivery: DeliveryInHand,
  device: FactoryDevice,
  wasBegun: boolean,
): Promise<Attempt> {
  const { spkiDer } = parseCertificate(parsePem(delivery.certificatePem, "CERTIFICATE"));
  if (device.spkiDer === undefined) return { step: "pending", reason: "the Factory did not tell the device's key" };
  if (!device.spkiDer.equals(spkiDer)) return settled({ outcome: "rejected", code: "E_UUID_OTHER_KEY" });
  // The very key: ours from a try whose answer was lost, or the board came first and created itself.
  const verdict: Verdict = { outcome: wasBegun ? "delivered" : "duplicate" };
  const change = {
    ...(device.name === delivery.name ? {} : { name: delivery.name }),
    ...(delivery.group === undefined || device.group === delivery.group ? {} : { group: delivery.group }),
  };
  if (Object.keys(change).length === 0) return settled(verdict);
  if (!factory.canPatch) {
    const note = "its name or group in the Factory differs; the token may not correct it (devices:read-update)";
    return settled({ ...verdict, note });
  }
  return await correctDevice(port, delivery.uuid, change, verdict);
}

async function correctDevice(
  port: FoundriesPort,
  uuid: string,
  change: { readonly name?: string; readonly group?: string },
  verdict: Verdict,
): Promise<Attempt> {
  const patched = await port.patchDevice(uuid, change);
  switch (patched.outcome) {
    case "done":
      return settled(verdict);
    case "conflict":
      return settled({ outcome: "rejected", code: "E_NAME_TAKEN", note: "the device is there under another name" });
    case "absent":
      return { step: "again", reason: "the device disappeared while it was looked at" };
    default:
      return describeFailure(patched);
  }
}

function describeFailure(failure: PortFailure): Attempt {
  switch (failure.outcome) {
    case "unauthorised":
      return { step: "unauthorised" };
    case "invalid":
      return settled({
        outcome: "rejected",
        code: "E_INVALID",
        note: `HTTP ${failure.status}: ${printable(failure.message)}`,
      });
    case "transient": {
      const { reason, retryAfterMs } = failure;
      return { step: "again", reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    }
  }
}

function settled(verdict: Verdict): Attempt {
  return { step: "settled", verdict };
}

/** The server's words, made fit for a terminal and a journal line. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, "?").slice(0, 200);
}
