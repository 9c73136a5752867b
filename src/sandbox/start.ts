import { writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { createDemoBoard, registerBoard } from "./demo-board.ts";
import { SANDBOX_TOKEN } from "./foundries-api.ts";
import { openSite, type Site } from "./site.ts";
import { DEMO_FACTORY } from "./site-files.ts";

/** `npm start`: an evaluation site that runs until Ctrl-C. */

const say = (step: string) => console.log(`  ${step}`);

/** One screen: what is where, and what to type next. */
function screen(site: Site, uuid: string): string {
  const at = (path: string) => relative(process.cwd(), path) || path;
  const operator = `--config ${at(join(site.paths.etc, "operator.toml"))}`;
  const importer = `--state ${at(site.paths.importer)}`;
  const run = (program: string) => `node src/bin/${program}.ts`;
  return `
EVALUATION SITE: SoftHSM and a demo Factory. Not for production.
  airlockd      127.0.0.1:${site.ports.appliance}  mTLS gRPC            state  ${at(site.paths.root)}/
  bridge        ${site.deviceApi}                logs   ${at(site.paths.logs)}/
  Foundries API ${site.foundries.url}  (a sandbox)       board  ${at(site.paths.root)}/devices/${uuid}/
One board has just registered: ${uuid}

A real board on this network segment registers with (put this machine's address in, and listen on it in bridge.toml):
  DEVICE_API=${site.deviceApi} lmp-device-register -T na -f ${DEMO_FACTORY}

Next, in another terminal (prefix PATH=$PWD/node_modules/.bin:$PATH):
  1 look        ${run("airlock-export")} status ${operator}
  2 export      ${run("airlock-export")} export ${operator} --to ${at(site.paths.outbox)} --yes
  3 verify      ${run("airlock-import")} verify ${at(site.paths.outbox)} ${importer}
  4 import      ${run("airlock-import")} run ${at(site.paths.outbox)} ${importer} --api ${site.foundries.url} --token-file ${at(join(site.paths.importer, "token"))} --receipt-to ${at(site.paths.receipts)} --yes
  5 receipt     ${run("airlock-export")} receipt apply ${at(site.paths.receipts)}/ALR_* ${operator}
Stop with Ctrl-C; the next npm start continues with the same keys and queue.`;
}

const site = await openSite(".airlock", say);
try {
  await writeFile(join(site.paths.importer, "token"), SANDBOX_TOKEN, { mode: 0o600 });
  const name = `demo-${Date.now().toString(36)}`;
  const board = await createDemoBoard(join(site.paths.root, "devices"), DEMO_FACTORY, name);
  await registerBoard(site.deviceApi, board, "intel-corei7-64");
  console.log(screen(site, board.uuid));
  const asked = new Promise<undefined>((resolve) => {
    process.once("SIGINT", () => resolve(undefined));
    process.once("SIGTERM", () => resolve(undefined));
  });
  const endedWith = await Promise.race([asked, site.appliance.daemon.ended]);
  if (endedWith !== undefined) {
    console.error(`airlockd ended with code ${endedWith}; its log is in ${site.paths.logs}`);
    process.exitCode = 1;
  }
  console.log("\nStopping: registrations under way finish first.");
} finally {
  await site.stop();
}
console.log("Stopped. Everything that was answered is on disk.");
