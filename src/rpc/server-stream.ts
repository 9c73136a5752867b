import type { ClientReadableStream } from "@grpc/grpc-js";
import { refusalOf } from "./client.ts";

/** A server's stream as an async iterable that rejects with the server's Refusal where there is one. */
export async function* readStream<Response>(call: ClientReadableStream<Response>): AsyncIterable<Response> {
  try {
    for await (const response of call) yield response as Response;
  } catch (error) {
    throw refusalOf(error);
  } finally {
    call.cancel();
  }
}
