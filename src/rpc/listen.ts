import type { AddressInfo } from "node:net";
import type { Server as TlsServer } from "node:tls";
import { Refusal } from "../refusal.ts";

/** @param address host:port, IPv6 in brackets @throws Error when it cannot be bound */
export async function bindListener(listener: TlsServer, address: string): Promise<TlsServer> {
  const { host, port } = splitAddress(address);
  await listening(listener, () => listener.listen({ host, port }));
  return listener;
}

/**
 * Takes over a listening socket that systemd bound.
 * @throws Refusal when the configuration does not name it: what people read there must be what is open
 */
export async function adoptListener(listener: TlsServer, fd: number, listen: readonly string[]): Promise<TlsServer> {
  await listening(listener, () => listener.listen({ fd }));
  const bound = listener.address() as AddressInfo;
  const isNamed = listen.map(splitAddress).some(({ host, port }) => port === bound.port && covers(bound, host));
  if (isNamed) return listener;
  listener.close();
  throw new Refusal(
    "SERVICE-STATE",
    "needs-person",
    `systemd listens on port ${bound.port}, which [service] listen does not name: make airlockd.socket and airlock.toml agree.`,
  );
}

/** A wildcard listener serves every address of its port; any other only its own. */
function covers({ address }: AddressInfo, host: string): boolean {
  return address === "::" || address === "0.0.0.0" || address === host;
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}

function listening(listener: TlsServer, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.once("listening", () => {
      listener.off("error", reject);
      resolve();
    });
    start();
  });
}

/** host:port as it is really bound. */
export function boundAddress(listener: TlsServer): string {
  const { address, family, port } = listener.address() as AddressInfo;
  return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
}
