#!/usr/bin/env node
// Before anything uses the thread pool: LevelDB, fsync and crypto share it, and four threads make them wait in line.
process.env.UV_THREADPOOL_SIZE ??= "16";
// These change the security of gRPC from outside; an appliance is configured by its file alone.
for (const name of Object.keys(process.env)) if (/^GRPC_/i.test(name)) delete process.env[name];

const { airlockdMain } = await import("../cli/airlockd/main.ts");
const { runTool } = await import("../cli/run-tool.ts");
await runTool("airlockd", () => airlockdMain(process.argv.slice(2)));
