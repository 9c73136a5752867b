#!/usr/bin/env node
import { runTool } from "../cli/run-tool.ts";
import { signerMain } from "../cli/signer/main.ts";

await runTool("airlock-signer", () => signerMain(process.argv.slice(2)));
