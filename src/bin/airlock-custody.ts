#!/usr/bin/env node
import { custodyMain } from "../cli/custody/main.ts";
import { nextStep } from "../cli/custody/next-step.ts";
import { runTool } from "../cli/run-tool.ts";

await runTool("airlock-custody", () => custodyMain(process.argv.slice(2)), nextStep);
