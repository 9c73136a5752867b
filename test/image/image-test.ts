import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../../src/sandbox/programs.ts";
import { checkAccount } from "./accounts.ts";
import { rootShell, startedByHand } from "./by-hand.ts";
import { changeRoot } from "./changed-root.ts";
import { ADDRESS, enrol, holdCeremony, logIn, takeCertificates, writeDesks } from "./commission.ts";
import { Guest, type GuestOptions } from "./guest.ts";
import { type Answered, findLost, loadUntilCut, untilServing } from "./load.ts";
import { lookInside } from "./look-inside.ts";
import { tryPrompt, tryShares } from "./pin-sources.ts";
import { forwardInto, openTcpPorts, plugCable, unplugCable } from "./scan.ts";
import { backUp, carryOut, judgeStick, lookAtStick, makeStick } from "./stick.ts";

/**
 * `npm run image:test -- IMAGE [--cuts N] [--load SECONDS] [--keep DIR] [--only PART,...]`: boots the image in qemu,
 * holds the ceremony at its console, registers a board through the forwarded port, looks at sandbox and accounts from
 * inside, carries an export out on a stick, cuts the power under load, scans the machine, changes a bit of its root, and
 * tries the other sources of the PIN. Needs root (for the scan's network), qemu-system-x86, ovmf and mtools; minutes on a quiet machine, an hour on
 * a busy one. With --keep a second run starts from the commissioned disk.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cuts: { type: "string", default: "5" },
    load: { type: "string", default: "20" },
    keep: { type: "string" },
    only: { type: "string", default: "inside,cuts,scan,root,pins" },
  },
});
const image = resolve(positionals[0] ?? "dist/image/airlock.img");
const dir = values.keep === undefined ? mkdtempSync(join(tmpdir(), "airlock-image-test-")) : resolve(values.keep);
mkdirSync(dir, { recursive: true });
const BOOT_MS = 15 * 60_000;
const disk = join(dir, "disk.img");
const variables = join(dir, "variables.fd");
const port = await freePort();
const forwarded = `127.0.0.1:${port}`;
const started = Date.now();
const say = (text: string) =>
  console.log(`[${String(Math.round((Date.now() - started) / 1000)).padStart(5)} s] ${text}`);
let running: Guest | undefined;

const CABLE = `user,model=virtio-net-pci,restrict=on,hostfwd=tcp:${forwarded}-${ADDRESS}:7443`;

function boot(more: Partial<GuestOptions> = {}): Guest {
  running = new Guest({ disk, variables, logFile: join(dir, "serial.log"), nic: CABLE, ...more });
  return running;
}

async function firstBoot(): Promise<void> {
  execFileSync("cp", ["--sparse=always", image, disk]);
  copyFileSync("/usr/share/OVMF/OVMF_VARS_4M.fd", variables);
  const guest = boot();
  const end = await holdCeremony(guest, dir, "file");
  say("the first boot led into the ceremony; the doctor, at its end:");
  for (const line of end.split("\n").filter((text) => /pass {2}|FAIL {2}| -> |passed/.test(text)))
    console.log(`    ${line.trimEnd()}`);
  await logIn(guest);
  await takeCertificates(guest, dir);
  await enrol(dir, port, "station", "station-1");
  // Durable before the power goes: what was just set up is not what the cuts are about.
  await guest.run("sync");
  await guest.cutPower();
  execFileSync("cp", ["--sparse=always", disk, join(dir, "commissioned.img")]);
}

/** Boots the commissioned disk by hand, with a shell of root beside the console. */
async function bootByHand(more: Partial<GuestOptions> = {}) {
  execFileSync("cp", ["--sparse=always", join(dir, "commissioned.img"), disk]);
  await writeDesks(dir, port);
  const guest = boot({ ...startedByHand(disk, dir), ...more });
  const root = await rootShell(guest, BOOT_MS);
  await root.run("until systemctl is-active --quiet airlockd; do sleep 2; done", BOOT_MS);
  return { guest, root };
}

/** A person looks at what runs and at what each account may do; an operator carries an export out. */
async function inside(): Promise<void> {
  const stick = makeStick(dir);
  const { guest, root } = await bootByHand({ stick });
  const station = await untilServing(dir, forwarded, () => guest.hasEnded, BOOT_MS);
  station.close();
  say("through the forwarded port, the enrolled station registered a board over mTLS");
  for (const line of await lookInside(root)) say(line);
  await logIn(guest);
  await checkAccount(guest, "custodian");
  say(`a custodian's backup: ${await backUp(guest)}`);
  guest.type("exit");
  await logIn(guest, "operator");
  await checkAccount(guest, "operator");
  say("custodian and operator may run as others what sudo -l shows, and nothing beside it");
  await lookAtStick(guest);
  say("a stick is mounted ro,nosuid,nodev,noexec,nosymfollow; the operator can make it writable, never executable");
  for (const line of (await carryOut(guest, dir, port)).trim().split("\n")) console.log(`    ${line}`);
  await guest.cutPower();
  say(`carried out, and judged on the host by openssl cms -verify and sha256sum -c: ${judgeStick(stick, dir)}`);
}

/** One bit of the root is not what the boot file says: the machine stops before anything of it runs. */
async function changedRoot(): Promise<void> {
  execFileSync("cp", ["--sparse=always", join(dir, "commissioned.img"), disk]);
  changeRoot(disk);
  const guest = boot();
  await guest.expect(/device-mapper: verity: \S+ data block 0 is corrupted[\s\S]*Kernel panic - not syncing/, BOOT_MS);
  await guest.cutPower();
  say("with one bit of the root changed the machine stops while it boots");
}

/** The sources of the PIN that are people, with the units as they are installed. */
async function pins(): Promise<void> {
  const { guest, root } = await bootByHand();
  await tryPrompt(root, await guest.line(2));
  say('pin = "prompt": asked on the signer\'s own line, not echoed, refused when wrong, ready when right');
  await logIn(guest);
  await tryShares(root, guest, dir);
  (await untilServing(dir, forwarded, () => guest.hasEnded, BOOT_MS)).close();
  say('pin = "shares": split at the console, sealed after the start, unsealed by two of three from their desks');
  await guest.cutPower();
}

/** Boots, waits until boards are answered, asks for everything again, loads, and pulls the plug. */
async function cut(round: number, answered: Answered): Promise<void> {
  const guest = boot();
  const station = await untilServing(dir, forwarded, () => guest.hasEnded, BOOT_MS);
  const lost = await findLost(station, answered);
  assert.deepEqual(lost, [], `round ${round}: answered certificates are gone`);
  const before = answered.size;
  const loading = loadUntilCut(station, answered);
  await new Promise((resolve) => setTimeout(resolve, Number(values.load) * 1000));
  await guest.cutPower();
  await loading;
  station.close();
  assert.ok(answered.size > before, "nothing was under way when the power went");
  say(
    `power cut ${round}: ${before} boards asked again and hold what they held; ${answered.size - before} more were answered`,
  );
}

/** The last boot, on a cable of its own: everything is there, one port is open, and both stores can be proven. */
async function lastLook(answered: Answered): Promise<void> {
  const namespace = `airlock-image-${process.pid}`;
  plugCable(namespace, "10.0.2.2/24");
  const forwarder = forwardInto(namespace, port, ADDRESS);
  try {
    const guest = boot({
      nic: "tap,model=virtio-net-pci,ifname=cable,script=no,downscript=no",
      before: ["ip", "netns", "exec", namespace],
    });
    const station = await untilServing(dir, forwarded, () => guest.hasEnded, BOOT_MS);
    assert.deepEqual(await findLost(station, answered), []);
    say(`after the last power cut: ${answered.size} boards were answered in all, 0 of them lost`);
    station.close();
    assert.deepEqual(openTcpPorts(namespace, ADDRESS), [7443]);
    say("of 65,535 TCP ports one is open: 7443");
    await logIn(guest);
    const proof = "sudo /usr/lib/airlock-image/services stop; sudo -u airlock airlockd --check-store";
    const shown = await guest.run(proof, BOOT_MS);
    assert.match(shown, /Proven/);
    say(`--check-store in the guest: ${/Proven.*/.exec(shown)?.[0]}`);
    await guest.cutPower();
  } finally {
    forwarder.kill();
    unplugCable(namespace);
  }
}

try {
  const parts = values.only.split(",");
  if (!existsSync(join(dir, "commissioned.img"))) await firstBoot();
  if (parts.includes("inside")) await inside();
  const answered: Answered = new Map();
  execFileSync("cp", ["--sparse=always", join(dir, "commissioned.img"), disk]);
  for (let round = 1; parts.includes("cuts") && round <= Number(values.cuts); round++) await cut(round, answered);
  if (parts.includes("scan")) await lastLook(answered);
  if (parts.includes("root")) await changedRoot();
  if (parts.includes("pins")) await pins();
  say("image: all good");
} finally {
  await running?.cutPower();
  if (values.keep === undefined) rmSync(dir, { recursive: true, force: true });
}
