/**
 * Runs inside a network namespace that has nothing but its own loopback interface: a bridge under strace, and two
 * relays over UNIX sockets, which alone cross the namespace's border. One leads to the appliance, the other from boards.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type NetConnectOpts } from "node:net";
import { programPath } from "../../src/sandbox/programs.ts";

const [applianceSocket = "", boardSocket = "", appliancePort = "", bridgePort = "", config = "", trace = ""] =
  process.argv.slice(2);

async function relay(from: NetConnectOpts, to: NetConnectOpts): Promise<void> {
  const server = createServer((inner) => {
    const outer = connect(to);
    inner.on("error", () => outer.destroy());
    outer.on("error", () => inner.destroy());
    inner.pipe(outer).pipe(inner);
  });
  server.listen(from);
  await once(server, "listening");
}

const here = (port: string) => ({ host: "127.0.0.1", port: Number(port) });
await relay(here(appliancePort), { path: applianceSocket });
await relay({ path: boardSocket }, here(bridgePort));
// -D: the process that is spawned becomes the bridge itself, so that signals reach it, and not its tracer.
const traced = ["-D", "-f", "-s", "0", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", trace];
const bridge = spawn("strace", [...traced, process.execPath, programPath("airlock-bridge"), "--config", config], {
  stdio: ["ignore", "pipe", "inherit"],
});
// However this ends: the bridge does not outlive it.
process.once("exit", () => bridge.kill("SIGKILL"));
process.once("SIGTERM", () => bridge.kill("SIGTERM"));
bridge.stdout.pipe(process.stdout);
// Not "exit": the tracer writes on until it has closed its end, too.
const [code] = await once(bridge, "close");
process.exit(code ?? 1);
