import type { Duplex } from "node:stream";

/** What the HTTP parser found before there was a request to answer. */
const ANSWERS: Readonly<Record<string, readonly [status: number, reason: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout", "The request did not arrive in time; check the network."],
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large", "The request's header is too large."],
};
const OTHER = [
  400,
  "Bad Request",
  "This is not a request that this server understands; registrations go to /sign by POST.",
] as const;

/**
 * Answers what is no HTTP request, or none in time, in the shape of every other refusal, and closes.
 * @returns the status, or undefined where nobody is left to answer or nothing can be said: a lost connection, or a TLS
 *   handshake that failed
 */
export function answerClientError(error: Error & { code?: string }, socket: Duplex): number | undefined {
  const code = error.code ?? "";
  if (!/^(HPE|ERR_HTTP)_/.test(code) || !socket.writable) {
    socket.destroy();
    return undefined;
  }
  const [status, reason, message] = ANSWERS[code] ?? OTHER;
  const body = JSON.stringify({ message });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
  return status;
}
