#!/usr/bin/env node
import { exportMain } from "../cli/export/main.ts";
import { runTool } from "../cli/run-tool.ts";

await runTool("airlock-export", () => exportMain(process.argv.slice(2)));
