export interface DeviceCsr {
  readonly uuid: string;
  readonly csrDer: Buffer;
}

const UUID_CHARS = 36;
const HEADER_BYTES = UUID_CHARS + 2;

/** Many CSRs in one buffer that a thread can give away: uuid, two bytes of length, DER. */
export function packCsrs(csrs: readonly DeviceCsr[]): ArrayBuffer {
  const total = csrs.reduce((sum, { csrDer }) => sum + HEADER_BYTES + csrDer.length, 0);
  const bytes = new ArrayBuffer(total);
  const view = Buffer.from(bytes);
  let at = 0;
  for (const { uuid, csrDer } of csrs) {
    view.write(uuid, at, "latin1");
    view.writeUInt16BE(csrDer.length, at + UUID_CHARS);
    csrDer.copy(view, at + HEADER_BYTES);
    at += HEADER_BYTES + csrDer.length;
  }
  return bytes;
}

/** The CSRs of a packed buffer, as views of it. */
export function unpackCsrs(packed: ArrayBuffer): DeviceCsr[] {
  const view = Buffer.from(packed);
  const csrs: DeviceCsr[] = [];
  for (let at = 0; at < view.length; ) {
    const uuid = view.toString("latin1", at, at + UUID_CHARS);
    const start = at + HEADER_BYTES;
    at = start + view.readUInt16BE(at + UUID_CHARS);
    csrs.push({ uuid, csrDer: view.subarray(start, at) });
  }
  return csrs;
}
