import { connect } from "node:net";
import { join } from "node:path";
import { connectSigner } from "../hsm/signer-client.ts";
import { type Running, startProgram, waitUntil } from "./programs.ts";
import type { SitePaths } from "./site-files.ts";

/** The appliance's two services. */
export interface RunningAppliance {
  readonly signer: Running;
  readonly daemon: Running;
  stop(): Promise<void>;
}

/** Starts airlock-signer, then airlockd, and waits until each answers. */
export async function startAppliance(
  paths: SitePaths,
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<RunningAppliance> {
  const signer = await startSigner(paths, env);
  const daemon = await startDaemon(paths, port).catch(async (error: unknown) => {
    await signer.stop();
    throw error;
  });
  return {
    signer,
    daemon,
    stop: async () => {
      await daemon.stop();
      await signer.stop();
    },
  };
}

/** @param flags `--ceremony` for the ceremony's mode */
export async function startSigner(
  paths: SitePaths,
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<Running> {
  const args = ["--config", paths.applianceToml, ...flags];
  const signer = startProgram("airlock-signer", args, join(paths.logs, "airlock-signer.log"), env);
  await waitUntil("its token is ready", () => hasSigner(join(paths.run, "signer.sock")), signer);
  return signer;
}

export async function startDaemon(
  paths: SitePaths,
  port: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const daemon = startProgram("airlockd", ["--config", paths.applianceToml], join(paths.logs, "airlockd.log"), env);
  await waitUntil("it listens", () => hasListener(port), daemon);
  return daemon;
}

export async function startBridge(paths: SitePaths, port: number): Promise<Running> {
  const args = ["--config", join(paths.etc, "bridge.toml")];
  const bridge = startProgram("airlock-bridge", args, join(paths.logs, "airlock-bridge.log"));
  await waitUntil("it listens", () => hasListener(port), bridge);
  return bridge;
}

export async function hasSigner(socket: string): Promise<boolean> {
  const signer = connectSigner(socket);
  try {
    return (await signer.status()).state === "ready";
  } finally {
    signer.close();
  }
}

export function hasListener(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const answer = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}
