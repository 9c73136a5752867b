import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { access, mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { encodePem, parsePem } from "../x509/pem.ts";
import { writeDurably } from "./durable-file.ts";
import { isImporterId, makeImporterCertificate, readImporterId } from "./importer-certificate.ts";
import { StateError } from "./state-error.ts";

/** Who signs the receipts. */
export interface Identity {
  readonly id: string;
  readonly key: KeyObject;
  readonly certificateDer: Buffer;
  readonly certificatePem: string;
  /** Fingerprint of the certificate: what the appliance's custodians compare. */
  readonly sha256: string;
}

const KEY_FILE = "importer.key";
const CERTIFICATE_FILE = "importer.pem";

/**
 * Makes the importer's key and certificate below the state directory. When it resolves, both are on disk. An identity
 * that is there already is never replaced: receipts in the field were signed with it.
 * @throws StateError
 */
export async function createIdentity(state: string, id: string, clock: Clock): Promise<Identity> {
  if (!isImporterId(id)) throw new StateError("An importer id is 1 to 12 letters and digits, for example EU1.");
  if (await isThere(join(state, CERTIFICATE_FILE))) {
    throw new StateError("This state directory already has an importer. Use it, or choose another with --state.");
  }
  await mkdir(state, { recursive: true, mode: 0o700 });
  // A crash after the key and before the certificate leaves a key that nobody knows of; it is used now.
  const key = await readOrMakeKey(join(state, KEY_FILE));
  const der = makeImporterCertificate(id, key, clock.nowMs());
  await writeDurably(join(state, CERTIFICATE_FILE), encodePem(der, "CERTIFICATE"));
  return loadIdentity(state);
}

async function readOrMakeKey(path: string): Promise<KeyObject> {
  if (!(await isThere(path))) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await writeDurably(path, privateKey.export({ format: "pem", type: "pkcs8" }), 0o600);
  }
  return createPrivateKey(await readFile(path));
}

/**
 * Reads the identity and refuses one that others could have read.
 * @throws StateError
 */
export async function loadIdentity(state: string): Promise<Identity> {
  const keyPath = join(state, KEY_FILE);
  if (!(await isThere(join(state, CERTIFICATE_FILE)))) {
    throw new StateError("There is no importer here yet. Make one: airlock-import init --id EU1");
  }
  const certificatePem = await readFile(join(state, CERTIFICATE_FILE), "utf8");
  if (((await stat(keyPath)).mode & 0o077) !== 0) {
    throw new StateError(
      "The importer's key can be read by others: chmod 600 importer.key, and ask whether it leaked.",
    );
  }
  const certificateDer = parsePem(certificatePem, "CERTIFICATE");
  const { spkiDer, sha256 } = parseCertificate(certificateDer);
  const id = readImporterId(certificateDer);
  const key = createPrivateKey(await readFile(keyPath));
  if (id === undefined || !createPublicKey(key).export({ format: "der", type: "spki" }).equals(spkiDer)) {
    throw new StateError("importer.key and importer.pem do not belong together. Restore both from the same backup.");
  }
  return { id, key, certificateDer, certificatePem, sha256 };
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
