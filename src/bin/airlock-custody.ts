#!/usr/bin/env node
import { custodyMain } from "../cli/custody/main.ts";
import { runTool } from "../cli/run-tool.ts";

await runTool("airlock-custody", () => custodyMain(process.argv.slice(2)));
