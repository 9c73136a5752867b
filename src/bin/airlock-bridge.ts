#!/usr/bin/env node
// These change the security of gRPC from outside; a station is configured by its file alone.
for (const name of Object.keys(process.env)) if (/^GRPC_/i.test(name)) delete process.env[name];

const { bridgeMain } = await import("../cli/bridge/main.ts");
const { runTool } = await import("../cli/run-tool.ts");
await runTool("airlock-bridge", () => bridgeMain(process.argv.slice(2)));
