import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import {
  type Client,
  type ClientOptions,
  credentials,
  type Metadata,
  type ServiceError,
  type VerifyOptions,
} from "@grpc/grpc-js";
import { CONTROLS, type ControlId } from "../controls.ts";
import { CustodyServiceService } from "../gen/airlock/custody/v1/custody.ts";
import { RegistrationServiceService } from "../gen/airlock/registration/v1/registration.ts";
import { TransferServiceService } from "../gen/airlock/transfer/v1/transfer.ts";
import { ErrorInfo } from "../gen/google/rpc/error_details.ts";
import { Status } from "../gen/google/rpc/status.ts";
import { Refusal } from "../refusal.ts";
import { refusalCode } from "./status.ts";

/** How a client reaches the appliance: PEM texts, not file names. */
export interface ClientIdentity {
  /** host:port. */
  readonly address: string;
  readonly lineCa: string;
  readonly certificate: string;
  readonly key: string;
  /** The appliance's console socket on this very machine, in place of the address. */
  readonly console?: string;
}

const OPTIONS: ClientOptions = {
  "grpc.max_receive_message_length": 512 * 1024,
  // A call that is not answered soon asks whether anybody is there, so that a connection that stands still is given up
  // before the deadline. Torture under heavy load saw that twice in two thousand rounds: an idle server, calls that had
  // been sent, and nothing between them, for a reason that is not known.
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 20_000,
  // Reconnects soon: a station must not sit out two minutes after the appliance is back.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_channelz": 0,
  "grpc.service_config": unaryDeadline("35s"),
};

/** Every unary call is given up after this time; the server gives up a little earlier and says why. */
function unaryDeadline(timeout: string): string {
  const methods = [RegistrationServiceService, TransferServiceService, CustodyServiceService]
    .flatMap((service) => Object.values(service))
    .filter(({ requestStream, responseStream }) => !requestStream && !responseStream);
  const name = methods.map(({ path }) => ({ service: path.split("/")[1], method: path.split("/")[2] }));
  return JSON.stringify({ methodConfig: [{ name, timeout }] });
}

type ClientConstructor<T extends Client> = new (
  address: string,
  channelCredentials: ReturnType<typeof credentials.createSsl>,
  options?: ClientOptions,
) => T;

/** Opens a mutually authenticated channel; nothing connects before the first call. */
export function openClient<T extends Client>(Service: ClientConstructor<T>, identity: ClientIdentity): T {
  const { target, verification, options } = peerOf(identity);
  const channel = credentials.createSsl(
    Buffer.from(identity.lineCa),
    Buffer.from(identity.key),
    Buffer.from(identity.certificate),
    verification,
  );
  return new Service(target, channel, { ...OPTIONS, ...options });
}

interface Peer {
  readonly target: string;
  readonly verification?: VerifyOptions;
  readonly options?: ClientOptions;
}

function peerOf({ address, console }: ClientIdentity): Peer {
  // At the console dates must not matter. Who may put a socket there decides whom this client talks to; nobody in
  // between could pass its signature on, for that is over this very handshake.
  if (console !== undefined) return { target: `unix:${console}`, verification: { rejectUnauthorized: false } };
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) === 0) return { target: address };
  // RFC 6066 section 3 allows no address as the server's name. The one sent instead decides nothing: the certificate
  // must be for the address.
  return {
    target: address,
    verification: { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) },
    options: { "grpc.ssl_target_name_override": "appliance" },
  };
}

/** The callback form of grpc-js as a promise that rejects with the server's Refusal where there is one. */
export function callUnary<Response>(
  start: (callback: (error: ServiceError | null, response: Response) => void) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    start((error, response) => (error === null ? resolve(response) : reject(refusalOf(error))));
  });
}

/** Rebuilds a refusal from its status and details; anything else stays what it is. */
export function refusalOf(error: unknown): unknown {
  if (!isServiceError(error)) return error;
  const code = refusalCode(error.code);
  if (code === undefined) return error;
  const { control, field } = errorInfo(error.metadata);
  return new Refusal(control, code, error.details, { field, cause: error });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}

function errorInfo(metadata: Metadata): { control: ControlId; field: string } {
  const [bytes] = metadata.get("grpc-status-details-bin");
  if (Buffer.isBuffer(bytes)) {
    for (const any of Status.decode(bytes).details) {
      if (!any.typeUrl.endsWith("/google.rpc.ErrorInfo")) continue;
      const info = ErrorInfo.decode(any.value);
      const control = CONTROLS.find((id) => id === info.metadata.control);
      if (control !== undefined) return { control, field: info.metadata.field ?? "" };
    }
  }
  return { control: "SERVICE-STATE", field: "" };
}
