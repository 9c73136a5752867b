import { type ChildProcess, spawn, spawnSync } from "node:child_process";

/** Every TCP port of an address, tried from a network namespace; what neither answers nor refuses is dropped. */
const SCAN = `
import asyncio, sys
async def main(host):
    gate = asyncio.Semaphore(4000)
    open_ports = []
    async def probe(port):
        async with gate:
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 3)
                open_ports.append(port)
                writer.close()
            except (OSError, asyncio.TimeoutError):
                pass
    await asyncio.gather(*(probe(port) for port in range(1, 65536)))
    print(*sorted(open_ports))
asyncio.run(main(sys.argv[1]))
`;

export function openTcpPorts(namespace: string, address: string): number[] {
  const command = `ulimit -n 8192; exec ip netns exec "$0" python3 -c "$1" "$2"`;
  const { stdout, status } = spawnSync("bash", ["-c", command, namespace, SCAN, address], { encoding: "utf8" });
  if (status !== 0) throw new Error("the scan failed");
  return stdout.trim().split(/\s+/).filter(Boolean).map(Number);
}

/** A network of two: the guest's cable, and this end of it with an address. */
export function plugCable(namespace: string, address: string): void {
  const script = `
ip netns add "$0"
ip -n "$0" link set lo up
ip netns exec "$0" ip tuntap add dev cable mode tap
ip -n "$0" address add "$1" dev cable
ip -n "$0" link set cable up`;
  const { status } = spawnSync("sh", ["-euc", script, namespace, address]);
  if (status !== 0) throw new Error("no cable could be made");
}

export function unplugCable(namespace: string): void {
  spawnSync("ip", ["netns", "delete", namespace]);
}

/** Listens here, calls there: the listener is bound before the process moves into the other network. */
const FORWARD = `
import asyncio, ctypes, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
with open("/run/netns/" + sys.argv[2]) as namespace:
    assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) == 0
async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
async def pair(reader, writer):
    try:
        far_reader, far_writer = await asyncio.open_connection(sys.argv[3], 7443)
    except OSError:
        return writer.close()
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
async def main():
    server = await asyncio.start_server(pair, sock=listener)
    await server.serve_forever()
asyncio.run(main())
`;

/** Until it is killed: connections to the port are made again from inside the namespace. */
export function forwardInto(namespace: string, port: number, address: string): ChildProcess {
  return spawn("python3", ["-c", FORWARD, String(port), namespace, address], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}
