import type { Server as TlsServer } from "node:tls";
import { Server, ServerCredentials, type ServerOptions, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { claimSocket } from "../claim-socket.ts";
import { CustodyServiceService } from "../gen/airlock/custody/v1/custody.ts";
import { RegistrationServiceService } from "../gen/airlock/registration/v1/registration.ts";
import { TransferServiceService } from "../gen/airlock/transfer/v1/transfer.ts";
import { HealthService } from "../gen/grpc/health/v1/health.ts";
import type { Connections } from "./connections.ts";
import { adoptListener, bindListener, boundAddress } from "./listen.ts";
import { createConsoleListener, createTlsListener, secureOptions, type TlsIdentity } from "./tls-listener.ts";

/** grpc-js sets no limit by itself, so each is set here. */
const LIMITS: ServerOptions = {
  "grpc.max_receive_message_length": 512 * 1024,
  "grpc.max_send_message_length": 512 * 1024,
  "grpc.max_concurrent_streams": 256,
  "grpc.max_connection_idle_ms": 30 * 60_000,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc-node.max_session_memory": 32,
  // Channel tracing is a debugging aid that would keep data of every call.
  "grpc.enable_channelz": 0,
};
const DRAIN_MS = 10_000;
type ConnectionInjector = ReturnType<Server["createConnectionInjector"]>;

export interface Services {
  readonly registration: UntypedServiceImplementation;
  readonly transfer: UntypedServiceImplementation;
  readonly custody: UntypedServiceImplementation;
  readonly health: UntypedServiceImplementation;
}

export interface RpcServer {
  /** Addresses really bound, host:port. */
  readonly addresses: readonly string[];
  /** New connections meet this identity from now on; open ones live on. */
  replaceIdentity(identity: TlsIdentity): void;
  /** Takes no new connection, lets calls in flight finish within the drain time, then closes everything. */
  close(): Promise<void>;
}

export interface RpcPlaces {
  /** host:port. */
  readonly listen: readonly string[];
  /** Descriptors of listeners that systemd bound; then no address is bound here, and a process without a network serves. */
  readonly inherited?: readonly number[];
  /** UNIX socket for custodians on the machine itself. */
  readonly console?: string;
}

/**
 * Starts the gRPC server behind TLS listeners of our own, one per address.
 * @throws Error when an address cannot be bound; Refusal when an inherited listener is not one of `listen`
 */
export async function startRpcServer(
  identity: TlsIdentity,
  { listen, inherited = [], console }: RpcPlaces,
  connections: Connections,
  services: Services,
): Promise<RpcServer> {
  const server = new Server(LIMITS);
  server.addService(RegistrationServiceService, services.registration);
  server.addService(TransferServiceService, services.transfer);
  server.addService(CustodyServiceService, services.custody);
  server.addService(HealthService, services.health);
  // The TLS listener has authenticated the peer; grpc-js only sees the plain bytes inside.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const createListener = () =>
    createTlsListener(identity, (socket) => {
      if (connections.admit(socket)) injector.injectConnection(socket);
      else socket.destroy();
    });
  const listeners = await Promise.all(
    inherited.length > 0
      ? inherited.map((fd) => adoptListener(createListener(), fd, listen))
      : listen.map((address) => bindListener(createListener(), address)),
  );
  const consoles = console === undefined ? [] : [await openConsole(identity, console, connections, injector)];
  const all = [...listeners, ...consoles];
  return {
    addresses: listeners.map(boundAddress),
    replaceIdentity: (replacement) => {
      for (const listener of all) listener.setSecureContext(secureOptions(replacement));
    },
    close: async () => {
      const closed = all.map((listener) => new Promise((resolve) => listener.close(resolve)));
      injector.drain(DRAIN_MS);
      await shutDown(server);
      injector.destroy();
      await Promise.all(closed);
    },
  };
}

/**
 * Waits for calls under way, but not for ever: a client that was killed at the wrong moment was seen to leave grpc-js a
 * session without a connection, which never ends by itself and kept a stopping service alive.
 */
async function shutDown(server: Server): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    server.forceShutdown();
    late.resolve();
  }, 2 * DRAIN_MS);
  const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  await Promise.race([ended, late.promise]).finally(() => clearTimeout(timer));
}

async function openConsole(
  identity: TlsIdentity,
  path: string,
  connections: Connections,
  injector: ConnectionInjector,
): Promise<TlsServer> {
  const listener = createConsoleListener(identity, (socket) => {
    if (connections.admitConsole(socket)) injector.injectConnection(socket);
    else socket.destroy();
  });
  // Whoever can connect still needs a custodian's key; the directory's mode says who can try.
  await claimSocket(path, "Another airlockd answers on the console socket: stop it first.", 0o660, listener);
  return listener;
}
