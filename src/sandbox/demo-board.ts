import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "./programs.ts";

/** A board as lmp-device-register makes it: its own P-256 key and a CSR, made by openssl and not by our code. */
export interface DemoBoard {
  readonly uuid: string;
  readonly name: string;
  /** Directory that stands for the board's /var/sota. */
  readonly dir: string;
  readonly csr: string;
}

export async function createDemoBoard(parent: string, factory: string, name: string): Promise<DemoBoard> {
  const uuid = randomUUID();
  const dir = join(parent, uuid);
  await mkdir(dir, { recursive: true });
  const key = join(dir, "pkey.pem");
  await runTool("openssl", ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key]);
  const csr = await runTool("openssl", [
    ...["req", "-new", "-utf8", "-sha256", "-key", key, "-subj", `/CN=${uuid}/OU=${factory}`],
    ...["-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=critical,clientAuth"],
  ]);
  return { uuid, name, dir, csr };
}

/** POSTs what the C++ client posts and stores what it stores: one file per key of the 201 answer. */
export async function registerBoard(deviceApi: string, board: DemoBoard, hardwareId: string): Promise<void> {
  const response = await fetch(deviceApi, {
    method: "POST",
    headers: { "Content-type": "application/json", "OSF-TOKEN": "na" },
    body: JSON.stringify({
      "use-ostree-server": "true",
      "sota-config-dir": "/var/sota",
      "hardware-id": hardwareId,
      name: board.name,
      uuid: board.uuid,
      csr: board.csr,
      overrides: { pacman: { type: '"ostree+compose_apps"', tags: '"main"' } },
    }),
  });
  const answer = (await response.json()) as Record<string, string>;
  if (response.status !== 201) throw new Error(`board ${board.uuid}: ${response.status} ${answer.message}`);
  for (const [file, content] of Object.entries(answer)) await writeFile(join(board.dir, file), content);
}

/** What an unmodified client does first: any status below 500 counts as reachable. */
export async function isReachable(deviceApi: string): Promise<boolean> {
  const response = await fetch(deviceApi, { method: "HEAD" });
  return response.status < 500;
}

export async function readBoardCertificate(board: DemoBoard): Promise<string> {
  return await readFile(join(board.dir, "client.pem"), "utf8");
}
