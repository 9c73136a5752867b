import { readFile } from "node:fs/promises";
import { systemClock } from "../../clock.ts";
import { type ClientConfig, parseBridgeConfig, parseClientConfig } from "../../config/client-config.ts";
import { loadIdentity } from "../client-identity.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { encodeJson } from "../text.ts";
import { type ConnectionFinding, checkConnection } from "./check-connection.ts";
import { type CustodyOptions, required } from "./main.ts";

/** `check`: on a client's own machine, a station's too: what is wrong with its connection, in words. */
export async function checkCommand(values: CustodyOptions): Promise<ExitCode> {
  const { role, name } = values;
  const identity = await loadIdentity(await readSection(required(values, "config")));
  const expected = {
    nowMs: systemClock.nowMs(),
    ...(role === undefined ? {} : { role }),
    ...(name === undefined ? {} : { name }),
  };
  const findings = await checkConnection(identity, expected);
  for (const finding of findings) {
    process.stdout.write(values.json === true ? `${encodeJson(finding)}\n` : findingLine(finding));
  }
  const first = findings.find(({ isGood }) => !isGood);
  if (values.json !== true) process.stdout.write(first === undefined ? "All is well.\n" : `Next: ${first.text}\n`);
  return exitCodeFor(first);
}

/** operator.toml, custodian.toml or bridge.toml. */
async function readSection(file: string): Promise<ClientConfig["appliance"]> {
  const text = await readFile(file, "utf8");
  const parse = /^\s*\[bridge\]/m.test(text) ? parseBridgeConfig : parseClientConfig;
  return parse(file, text).appliance;
}

function exitCodeFor(first: ConnectionFinding | undefined): ExitCode {
  if (first === undefined) return EXIT.done;
  if (first.what === "network") return EXIT.unreachable;
  return first.what === "HSM" ? EXIT.hsm : EXIT.trust;
}

function findingLine({ what, isGood, text }: ConnectionFinding): string {
  return `  ${what.padEnd(10)} ${isGood ? "ok " : "NOT"}  ${text}\n`;
}
