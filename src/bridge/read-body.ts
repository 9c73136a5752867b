import type { IncomingMessage } from "node:http";

export type BodyResult =
  | { readonly kind: "whole"; readonly bytes: Buffer }
  | { readonly kind: "too-large" }
  | { readonly kind: "too-slow" }
  /** The connection ended first: there is nobody to answer. */
  | { readonly kind: "cut" };

/**
 * Reads a request's body up to a size and a time, both for the whole of it: a sender of one byte a second is cut like
 * one that sends nothing. Never rejects.
 */
export function readBody(request: IncomingMessage, maxBytes: number, timeoutMs: number): Promise<BodyResult> {
  // Refused before a byte of it is read.
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return Promise.resolve({ kind: "too-large" });
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => finish({ kind: "too-slow" }), timeoutMs);
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) finish({ kind: "too-large" });
      else chunks.push(chunk);
    };
    const finish = (result: BodyResult) => {
      clearTimeout(timer);
      request.off("data", take);
      resolve(result);
    };
    request.on("data", take);
    request.on("end", () => finish({ kind: "whole", bytes: Buffer.concat(chunks) }));
    request.on("error", () => finish({ kind: "cut" }));
    request.on("close", () => finish({ kind: "cut" }));
  });
}
