import { type Metadata as GrpcMetadata, Metadata, status } from "@grpc/grpc-js";
import type { Any } from "../gen/google/protobuf/any.ts";
import { ErrorInfo } from "../gen/google/rpc/error_details.ts";
import { Status } from "../gen/google/rpc/status.ts";
import { REFUSAL_CODES, Refusal, type RefusalCode } from "../refusal.ts";

/** What a failed call carries back; also the shape of a refusal inside a stream. */
export interface CallFailure {
  readonly code: number;
  /** ASCII: grpc-js throws on anything that cannot be percent-encoded. */
  readonly message: string;
  readonly control: string;
  readonly field: string;
}

/** The single mapping from refusals to google.rpc.Code. */
export function grpcCode(code: RefusalCode): number {
  switch (code) {
    case "malformed":
      return status.INVALID_ARGUMENT;
    case "forbidden":
      return status.PERMISSION_DENIED;
    case "conflict":
      return status.ALREADY_EXISTS;
    case "needs-person":
      return status.FAILED_PRECONDITION;
    case "exhausted":
      return status.RESOURCE_EXHAUSTED;
    case "away":
      return status.UNAVAILABLE;
    case "inconsistent":
      return status.DATA_LOSS;
  }
}

/** The way back, for clients; `undefined` for codes that no refusal has. */
export function refusalCode(code: number): RefusalCode | undefined {
  return REFUSAL_CODES.find((candidate) => grpcCode(candidate) === code);
}

/**
 * Refusals cross the wire as they are; everything else becomes INTERNAL with a fixed text and an incident id whose
 * cause stands only in the log.
 */
export function failureOf(error: unknown, incident: string): CallFailure {
  if (error instanceof Refusal) {
    return { code: grpcCode(error.code), message: error.message, control: error.control, field: error.field };
  }
  return {
    code: status.INTERNAL,
    message: `Unexpected failure; nothing is known about this request. Repeat it, and give incident ${incident} to the custodian.`,
    control: "",
    field: "",
  };
}

/** The failure as grpc-js wants it, with google.rpc.ErrorInfo in the standard details header. */
export function serviceError(failure: CallFailure): { code: number; details: string; metadata: GrpcMetadata } {
  const metadata = new Metadata();
  if (failure.control !== "") {
    const info = ErrorInfo.encode({
      reason: failure.control.replaceAll("-", "_"),
      domain: "airlock",
      metadata: { control: failure.control, field: failure.field },
    }).finish();
    const any: Any = { typeUrl: "type.googleapis.com/google.rpc.ErrorInfo", value: Buffer.from(info) };
    const details = Status.encode({ code: failure.code, message: failure.message, details: [any] }).finish();
    metadata.set("grpc-status-details-bin", Buffer.from(details));
  }
  return { code: failure.code, details: failure.message, metadata };
}
