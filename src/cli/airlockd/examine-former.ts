import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import type { LedgerState } from "../../hsm/messages.ts";
import { type CarriedRecords, carryOver } from "../../log/carry-over.ts";
import { Catalog } from "../../log/catalog.ts";
import { ENTRY_BYTES } from "../../log/catalog-entry.ts";
import { MAGIC } from "../../log/catalog-file.ts";
import { type FormerLog, readFormerLog } from "../../log/former-log.ts";
import type { Continuation } from "../../log/proposed-act.ts";
import type { RegistrationRecord } from "../../log/record.ts";
import { Refusal } from "../../refusal.ts";
import { type CaCertificate, parseCaCertificate } from "../../x509/ca-certificate.ts";
import { isSignedBy, parseCertificate } from "../../x509/certificate.ts";
import { DerError } from "../../x509/der.ts";
import { readDeviceSubject } from "../../x509/device-subject.ts";
import { parsePem } from "../../x509/pem.ts";
import { UsageError } from "../run-tool.ts";
import { indexLines, journalLines } from "./find-lines.ts";

/** Where the former log is. */
export interface FormerPlaces {
  readonly journalDir: string;
  readonly databaseDir: string | undefined;
  /** Further directories with segments, such as ones restored from bundles. */
  readonly also: readonly string[];
}

export interface Examined {
  readonly former: FormerLog;
  readonly carried: CarriedRecords;
}

/**
 * Reads what is left of the former log; changes nothing.
 * @throws Refusal STORE-HEAD when there is nothing to continue; UsageError for another site's log
 */
export async function examineFormer(config: ApplianceConfig, places: FormerPlaces): Promise<Examined> {
  const deviceCa = await readCa(config.signer.device_ca);
  const everyCa = [deviceCa, ...(await readKeptCas(config))];
  const { journalDir, databaseDir, also } = places;
  const former = readFormerLog({
    places: [
      await journalLines(journalDir),
      ...(databaseDir === undefined ? [] : [await indexLines(databaseDir)]),
      ...(await Promise.all(also.map(journalLines))),
    ],
    known: await readSideFile(journalDir),
    isIssued: (record) => everyCa.some((ca) => isIssued(record, ca, config.site.factory)),
  });
  const { factory, appliance } = former.genesis;
  const isHere = factory === config.site.factory && appliance === config.site.appliance;
  if (!isHere) throw new UsageError("this is the log of another appliance or Factory than the configuration names");
  const { current, approved } = former.state.custody.deviceCas;
  if (deviceCa.sha256 !== current && deviceCa.sha256 !== approved?.sha256) {
    throw new UsageError(
      `this log's device CA is ${current}, and another one is installed. Nothing was changed. Put that one's ` +
        "certificate and the bundle signer's back first: airlock-custody rotate install keeps former ones beside them",
    );
  }
  return { former, carried: carryOver(former) };
}

/** The act that custodians decide on: the same for the same files and the same ledger. */
export function describeContinuation(
  { former, carried }: Examined,
  { number, hash, certificates }: LedgerState,
  reason: string,
): Continuation {
  const last = former.lines.at(-1);
  return {
    kind: "continue-log",
    former: { log: former.genesis.log, seq: last?.record.seq ?? 0, hash: last?.hash ?? "" },
    carried: {
      records: carried.drafts.length,
      registrations: carried.registrations,
      alone: former.strays.length,
      sha256: carried.sha256,
    },
    missing: former.missing,
    ledger: { number, hash, certificates },
    reason,
  };
}

async function readCa(path: string): Promise<CaCertificate> {
  return parseCaCertificate(parsePem(await readFile(path, "utf8"), "CERTIFICATE"));
}

/** Former device CAs, as `rotate install` keeps them beside the installed one. */
async function readKeptCas({ signer }: ApplianceConfig): Promise<CaCertificate[]> {
  const stem = `${basename(signer.device_ca, ".pem")}-`;
  const names = (await readdir(dirname(signer.device_ca))).filter(
    (name) => name.startsWith(stem) && /^\d\.pem$/.test(name.slice(stem.length)),
  );
  return await Promise.all(names.map((name) => readCa(join(dirname(signer.device_ca), name))));
}

async function readSideFile(journalDir: string): Promise<Catalog> {
  const known = new Catalog();
  const bytes = await readFile(join(journalDir, "catalog")).catch(() => Buffer.alloc(0));
  if (bytes.toString("latin1", 0, ENTRY_BYTES) === MAGIC) known.adopt(bytes.subarray(ENTRY_BYTES));
  return known;
}

function isIssued({ device, cert }: RegistrationRecord, deviceCa: CaCertificate, factory: string): boolean {
  try {
    const certificate = parseCertificate(parsePem(cert.pem, "CERTIFICATE"));
    const subject = readDeviceSubject(certificate.subjectDer);
    return (
      certificate.sha256 === cert.sha256 &&
      subject.uuid === device.uuid &&
      subject.factory === factory &&
      isSignedBy(certificate, deviceCa.publicKey)
    );
  } catch (cause) {
    if (cause instanceof Refusal || cause instanceof DerError) return false;
    throw cause;
  }
}
