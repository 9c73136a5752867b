#!/usr/bin/env node
import { importMain } from "../cli/import/main.ts";
import { runTool } from "../cli/run-tool.ts";

await runTool("airlock-import", () => importMain(process.argv.slice(2)));
