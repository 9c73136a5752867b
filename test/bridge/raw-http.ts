import { connect, type Socket } from "node:net";

/** One HTTP answer as it came over the socket. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends bytes over a socket of their own and reads until the server closes it. */
export async function sendRaw(port: number, ...parts: (string | Buffer)[]): Promise<RawAnswer[]> {
  const socket = connect(port, "127.0.0.1");
  for (const part of parts) socket.write(part);
  return await readAnswers(socket);
}

/** Every answer on the socket until it ends; a reset counts as its end. */
export async function readAnswers(socket: Socket): Promise<RawAnswer[]> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  // Not `once`, which rejects at an error although it has a listener.
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return parseAnswers(Buffer.concat(chunks).toString("latin1"));
}

function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  while (rest.startsWith("HTTP/1.1 ")) {
    const end = rest.indexOf("\r\n\r\n");
    const [first = "", ...lines] = rest.slice(0, end).split("\r\n");
    const headers = new Map(
      lines.map((line) => [(line.split(": ")[0] ?? "").toLowerCase(), line.split(": ")[1] ?? ""]),
    );
    const length = Number(headers.get("content-length") ?? 0);
    answers.push({ status: Number(first.slice(9, 12)), headers, body: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

export function postRequest(body: string | Buffer, headers = "connection: close\r\n"): Buffer {
  const bytes = Buffer.from(body);
  const head = `POST /sign HTTP/1.1\r\nhost: station\r\n${headers}content-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}
