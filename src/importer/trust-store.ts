import { access, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type CaCertificate, checkCanSign, parseCaCertificate } from "../x509/ca-certificate.ts";
import { isSignedBy, parseCertificate } from "../x509/certificate.ts";
import { parsePem } from "../x509/pem.ts";
import { writeDurably } from "./durable-file.ts";
import { StateError } from "./state-error.ts";

/** What a person vouched for before the first bundle came: nothing is ever trusted because a bundle says so. */
export interface Trust {
  readonly appliance: string;
  readonly log: string;
  readonly factory: string;
  /** The one that the log began with. */
  readonly deviceCa: CaCertificate;
  /** Those that followed it, as far as a person vouched for them. */
  readonly laterDeviceCas: readonly CaCertificate[];
  readonly root: CaCertificate;
}

/** Every device CA that may have signed something in this log. */
export function deviceCasOf({ deviceCa, laterDeviceCas }: Trust): readonly CaCertificate[] {
  return [deviceCa, ...laterDeviceCas];
}

/** The same as a person gives it. */
export interface TrustInput {
  readonly appliance: string;
  readonly log: string;
  readonly factory: string;
  readonly deviceCaPem: string;
  readonly rootPem: string;
  /**
   * SHA-256 of the device CA's certificate, read from paper: hex, colons and case do not matter. Without it, whoever
   * calls shows the certificate's fingerprint to a person first.
   */
  readonly fingerprint?: string | undefined;
}

const TrustSchema = z.strictObject({
  v: z.literal(1),
  appliance: z.string().regex(/^[A-Za-z0-9-]{1,31}$/),
  log: z.string().regex(/^[0-9a-f]{8}$/),
  factory: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  deviceCa: z.string().max(16_384),
  laterDeviceCas: z.array(z.string().max(16_384)).optional(),
  root: z.string().max(16_384),
});

/** Directory of everything that belongs to one log. */
export function logDirectory(state: string, log: string): string {
  return join(state, "logs", log);
}

/**
 * Checks what a person vouches for, without storing it.
 * @throws StateError, Refusal CERT-PROFILE
 */
export function checkTrust(input: TrustInput): Trust {
  const { appliance, log, factory, deviceCaPem, rootPem } = input;
  const names = TrustSchema.safeParse({ v: 1, appliance, log, factory, deviceCa: deviceCaPem, root: rootPem });
  if (!names.success) {
    throw new StateError(
      `This cannot be a ${String(names.error.issues[0]?.path[0] ?? "name")}. Copy it from the ceremony's transcript.`,
    );
  }
  const root = readCa(rootPem);
  checkCanSign(root);
  const deviceCa = checkDeviceCa(deviceCaPem, root, input.fingerprint);
  return { appliance, log, factory, deviceCa, laterDeviceCas: [], root };
}

/**
 * Checks the device CA that follows those of a pinned log, without storing it.
 * @throws StateError, Refusal CERT-PROFILE
 */
export function checkLaterDeviceCa(trust: Trust, pem: string, fingerprint: string | undefined): Trust {
  const deviceCa = checkDeviceCa(pem, trust.root, fingerprint);
  const isKnown = deviceCasOf(trust).some(({ sha256 }) => sha256 === deviceCa.sha256);
  if (isKnown) throw new StateError("This device CA is pinned already. There is nothing to do.");
  return { ...trust, laterDeviceCas: [...trust.laterDeviceCas, deviceCa] };
}

function checkDeviceCa(pem: string, root: CaCertificate, fingerprint: string | undefined): CaCertificate {
  const deviceCa = readCa(pem);
  const expected = fingerprint?.replaceAll(":", "").toLowerCase() ?? deviceCa.sha256;
  if (expected !== deviceCa.sha256) {
    throw new StateError(
      "The fingerprint is not that of the device CA's certificate. Nothing was pinned. Compare both with the transcript.",
    );
  }
  checkCanSign(deviceCa);
  if (!deviceCa.issuerDer.equals(root.subjectDer) || !isSignedBy(parseCertificate(deviceCa.der), root.publicKey)) {
    throw new StateError(
      "The device CA was not issued by this root. Nothing was pinned. Check which Factory each belongs to.",
    );
  }
  return deviceCa;
}

function readCa(pem: string): CaCertificate {
  return parseCaCertificate(parsePem(pem, "CERTIFICATE"));
}

/**
 * Pins an appliance. When it resolves, the pins are on disk. Existing pins of the same log are never changed.
 * @throws StateError
 */
export async function pinTrust(state: string, trust: Trust): Promise<void> {
  const directory = logDirectory(state, trust.log);
  if (await isPinned(directory)) {
    const known = await loadTrust(state, trust.log);
    if (isSame(known, trust)) return;
    throw new StateError(
      "This log is pinned already, with other values. If that was a mistake, start a new state directory.",
    );
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writePins(directory, trust);
}

/** Pins a further device CA of a pinned log; everything else stays. When it resolves, it is on disk. */
export async function pinLaterDeviceCas(state: string, trust: Trust): Promise<void> {
  await writePins(logDirectory(state, trust.log), trust);
}

async function writePins(directory: string, trust: Trust): Promise<void> {
  const { appliance, log, factory, deviceCa, laterDeviceCas, root } = trust;
  const later = laterDeviceCas.length === 0 ? {} : { laterDeviceCas: laterDeviceCas.map(({ pem }) => pem) };
  const pins = { v: 1, appliance, log, factory, deviceCa: deviceCa.pem, ...later, root: root.pem };
  await writeDurably(join(directory, "trust.json"), `${JSON.stringify(pins, null, 2)}\n`);
}

/** @throws StateError when the log was never pinned or its pins are damaged */
export async function loadTrust(state: string, log: string): Promise<Trust> {
  const path = join(logDirectory(state, log), "trust.json");
  if (!(await isPinned(logDirectory(state, log)))) {
    throw new StateError("Nobody has vouched for this log yet. Pin its appliance first: airlock-import trust --help");
  }
  const pins = parsePins(await readFile(path, "utf8"));
  return {
    appliance: pins.appliance,
    log: pins.log,
    factory: pins.factory,
    deviceCa: readCa(pins.deviceCa),
    laterDeviceCas: (pins.laterDeviceCas ?? []).map(readCa),
    root: readCa(pins.root),
  };
}

/** Every pinned log. */
export async function listTrust(state: string): Promise<readonly Trust[]> {
  const logs = await readdir(join(state, "logs")).catch(() => [] as string[]);
  const pinned: Trust[] = [];
  for (const log of logs.filter((name) => /^[0-9a-f]{8}$/.test(name)).sort()) {
    if (await isPinned(logDirectory(state, log))) pinned.push(await loadTrust(state, log));
  }
  return pinned;
}

function parsePins(text: string): z.infer<typeof TrustSchema> {
  try {
    return TrustSchema.parse(JSON.parse(text));
  } catch {
    throw new StateError(
      "trust.json is damaged. Restore it from a backup, or pin the appliance in a new state directory.",
    );
  }
}

function isSame(one: Trust, other: Trust): boolean {
  const key = ({ appliance, log, factory, deviceCa, root }: Trust) =>
    [appliance, log, factory, deviceCa.sha256, root.sha256].join(" ");
  return key(one) === key(other);
}

function isPinned(directory: string): Promise<boolean> {
  return access(join(directory, "trust.json")).then(
    () => true,
    () => false,
  );
}
