import { Metadata, status } from "@grpc/grpc-js";
import { systemClock } from "../clock.ts";
import { DeliveryOutcome, RegistrationServiceClient } from "../gen/airlock/registration/v1/registration.ts";
import { parseRecord } from "../log/record-codec.ts";
import { Refusal } from "../refusal.ts";
import { type ClientIdentity, callUnary, openClient } from "./client.ts";

export interface StationRequest {
  readonly uuid: string;
  readonly name: string;
  readonly hardwareId: string;
  readonly csrDer: Buffer;
  readonly sotaConfigDir: string;
  readonly overrides: readonly { readonly section: string; readonly key: string; readonly value?: string }[];
}

export interface StationAnswer {
  readonly certificatePem: string;
  readonly issuerPem: string;
  readonly factoryRootPem: string;
  readonly sotaToml: string;
  readonly sequence: bigint;
  readonly alreadyIssued: boolean;
  /** A sentence for people beside the certificate; empty for none. */
  readonly warning: string;
}

/** A device as its record has it. */
export interface RecordedDevice {
  readonly name: string;
  readonly group?: string;
}

/** What a station did at the Foundries API. */
export interface DeliveryReport {
  readonly uuid: string;
  readonly outcome: "created" | "already-there" | "failed";
  /** 0 when the API gave no answer. */
  readonly httpStatus: number;
}

/**
 * What a station asks over mTLS. Every call rejects with the appliance's Refusal, or with one of code `away` when the
 * appliance cannot be reached, is lost during the call or does not answer in time.
 */
export interface RegistrationClient {
  register(request: StationRequest): Promise<StationAnswer>;
  /** The newest record of a registered device. */
  getDevice(uuid: string): Promise<RecordedDevice>;
  /** Resolves when the note is durable. */
  reportDelivery(report: DeliveryReport): Promise<void>;
  close(): void;
}

/** The server gives up after 30 s and says why; this is for one that says nothing. */
const DEADLINE_MS = 35_000;

const WIRE_OUTCOMES: Readonly<Record<DeliveryReport["outcome"], DeliveryOutcome>> = {
  created: DeliveryOutcome.DELIVERY_OUTCOME_CREATED,
  "already-there": DeliveryOutcome.DELIVERY_OUTCOME_ALREADY_THERE,
  failed: DeliveryOutcome.DELIVERY_OUTCOME_FAILED,
};

/** @param deadlineMs for each call, in milliseconds */
export function openRegistrationClient(identity: ClientIdentity, deadlineMs = DEADLINE_MS): RegistrationClient {
  const client = openClient(RegistrationServiceClient, identity);
  const none = new Metadata();
  const limit = () => ({ deadline: systemClock.nowMs() + deadlineMs });
  return {
    register: async ({ csrDer, overrides, ...rest }) => {
      const request = { ...rest, csr: csrDer, overrides: overrides.map((one) => ({ value: undefined, ...one })) };
      return await call<StationAnswer>((done) => client.register(request, none, limit(), done));
    },
    getDevice: async (uuid) => {
      const { recordJson, name } = await call<{ recordJson: string; name: string }>((done) =>
        client.getRegistration({ uuid }, none, limit(), done),
      );
      return readDevice(recordJson, name);
    },
    reportDelivery: async ({ uuid, outcome, httpStatus }) => {
      const request = { uuid, outcome: WIRE_OUTCOMES[outcome], httpStatus };
      await call((done) => client.reportDelivery(request, none, limit(), done));
    },
    close: () => client.close(),
  };
}

/** @param name the name now, which a resubmission may have changed since the record was written */
function readDevice(recordJson: string, name: string): RecordedDevice {
  const record = parseRecord(`${recordJson}\n`);
  if (record.kind !== "registration") throw new Error("the appliance answered with a record of another kind");
  const { group } = record.device;
  return { name, ...(group === undefined ? {} : { group }) };
}

/** As callUnary, but what the transport says of itself when a call is lost becomes a sentence for people. */
async function call<Response>(start: Parameters<typeof callUnary<Response>>[0]): Promise<Response> {
  try {
    return await callUnary(start);
  } catch (error) {
    throw isLost(error) ? new Refusal("SERVICE-STATE", "away", AWAY, { cause: error }) : error;
  }
}

const AWAY =
  "The appliance does not answer now. Wait a little and run the registration again: nothing is lost, and a certificate that was made is given out again.";

/**
 * No connection, no answer in time, or a stream reset by a server that dies or shuts down, which grpc-js names after
 * the HTTP/2 error, CANCELLED and INTERNAL among them. What the appliance itself refuses carries its control id, and
 * what it calls INTERNAL carries no word of a reset.
 */
function isLost(error: unknown): boolean {
  const call = error instanceof Refusal ? error.cause : error;
  if (!(call instanceof Error) || !("code" in call) || !("metadata" in call)) return false;
  const isOwnRefusal = call.metadata instanceof Metadata && call.metadata.get(DETAILS).length > 0;
  if (call.code === status.INTERNAL) return /RST_STREAM|session|socket/i.test(call.message);
  return !isOwnRefusal && LOST.has(call.code);
}

const DETAILS = "grpc-status-details-bin";
const LOST: ReadonlySet<unknown> = new Set([status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED]);
