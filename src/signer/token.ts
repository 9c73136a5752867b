import { X509Certificate } from "node:crypto";
import { KeyGenMechanism, Module, ObjectClass, type Session, SessionFlag, type Slot, TokenFlag } from "graphene-pk11";
import { KEY_LABELS, TOKEN_LABELS, type TokenLabel } from "../hsm/key-labels.ts";
import { DER_NULL, encodeBitString, encodeOid, encodeSequence, encodeUnsignedInteger } from "../x509/der.ts";
import { OID } from "../x509/oids.ts";
import type { KeyFacts, OpenAnswer, OpenRequest, TokenFacts } from "./child-frames.ts";

/** CKF_OS_LOCKING_OK: without it SoftHSM switches its own locks off, and then spins, aborts or crashes. */
const OS_LOCKING_OK = 2;

/** Numbers of PKCS#11 3.1; graphene's own attribute readers take an empty value for false. */
const CKA = {
  private: 0x002,
  value: 0x011,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  modulus: 0x120,
  publicExponent: 0x122,
  extractable: 0x162,
  local: 0x163,
  neverExtractable: 0x164,
  alwaysSensitive: 0x165,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const;
const CKA_KEY_TYPE = 0x100;
/** NSS and TPM modules give one serial to several tokens, of which all but ours need no login or are empty. */
const KEEPS_KEYS = TokenFlag.LOGIN_REQUIRED | TokenFlag.TOKEN_INITIALIZED;
const CKK_RSA = 0;
const CKM_RSA_PKCS = 0x0001;
const CKM_ECDSA = 0x1041;

type TokenObject = ReturnType<ReturnType<Session["find"]>["items"]>;

interface SigningKey {
  readonly handle: Buffer;
  readonly mechanism: { readonly mechanism: number };
}

/**
 * One PKCS#11 token, in a child process of its own. Synchronous calls only: the addon's asynchronous ones keep no
 * reference to their buffers, and then the token signs freed memory without any error. The module is never closed
 * or unloaded; the process ends instead.
 */
export class Token {
  #slot: Slot | undefined;
  #worker: Session | undefined;
  #keys: (SigningKey | undefined)[] = [];
  readonly #signature = Buffer.alloc(1_024);

  /** Loads the module and finds the token by its serial number; slots move, serials do not. */
  open({ module: path, parameters, tokenSerial }: OpenRequest): OpenAnswer {
    const module = Module.load(path);
    // Not module.initialize(): that takes CKR_CRYPTOKI_ALREADY_INITIALIZED for success, whoever's flags are in force.
    // The addon cuts off the last character of the parameters.
    module.lib.C_Initialize({
      flags: OS_LOCKING_OK,
      ...(parameters === undefined ? {} : { libraryParameters: `${parameters} ` }),
    });
    this.#slot = findSlot(module, tokenSerial);
    const { flags } = this.#slot.getToken();
    return {
      isPinCountLow: (flags & TokenFlag.USER_PIN_COUNT_LOW) !== 0,
      isPinFinalTry: (flags & TokenFlag.USER_PIN_FINAL_TRY) !== 0,
      isPinLocked: (flags & TokenFlag.USER_PIN_LOCKED) !== 0,
    };
  }

  /** The session that logs in stays open, idle: the login belongs to the application and ends with its last session. */
  login(pin: string): TokenFacts {
    const anchor = this.#openSession();
    try {
      anchor.login(pin);
    } catch (error) {
      anchor.close();
      throw error;
    }
    return this.renew();
  }

  /** A new session, key handles and facts. */
  renew(): TokenFacts {
    this.closeWorker();
    const worker = this.#openSession();
    this.#worker = worker;
    const found = TOKEN_LABELS.map((label) => readKey(worker, label));
    this.#keys = found.map(({ key }) => key);
    return found.map(({ facts }) => facts);
  }

  /** @returns a view that the next call overwrites: r‖s, or the RSA signature */
  sign(keyIndex: number, data: Buffer): Buffer {
    const worker = this.#worker;
    const key = this.#keys[keyIndex];
    if (worker === undefined) throw new Error("CKR_SESSION_CLOSED:176");
    if (key === undefined) throw new Error("CKR_KEY_HANDLE_INVALID:96");
    const lib = worker.lib;
    lib.C_SignInit(worker.handle, key.mechanism, key.handle);
    return lib.C_Sign(worker.handle, data, this.#signature);
  }

  /** All three keys or none. Refuses when the token has any object of these names. */
  generate(): TokenFacts {
    return this.#make(TOKEN_LABELS, KEY_LABELS);
  }

  /** One more key. Refuses when the token has any object of its name. */
  generateOne(keyIndex: number): TokenFacts {
    const label = TOKEN_LABELS[keyIndex];
    if (label === undefined) throw new Error("CKR_ARGUMENTS_BAD:7");
    return this.#make([label], [label]);
  }

  #make(free: readonly string[], labels: readonly TokenLabel[]): TokenFacts {
    const session = this.#openSession(SessionFlag.RW_SESSION);
    try {
      if (free.some((label) => session.find({ label }).length > 0)) throw new Error("KEYS_EXIST");
      generateKeys(session, labels);
    } finally {
      session.close();
    }
    return this.renew();
  }

  /** After any error: what the session was doing is unknown. */
  closeWorker(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#keys = [];
    try {
      worker?.close();
    } catch {
      // The session is gone already; that is all that is wanted.
    }
  }

  #openSession(flags = 0): Session {
    if (this.#slot === undefined) throw new Error("CKR_SLOT_ID_INVALID:3");
    return this.#slot.open(SessionFlag.SERIAL_SESSION | flags);
  }
}

function findSlot(module: Module, tokenSerial: string): Slot {
  const slots = module.getSlots(true);
  const found = Array.from({ length: slots.length }, (_, i) => slotOf(slots, i, tokenSerial));
  const [slot, ...others] = found.filter((one) => one !== undefined);
  if (slot === undefined) throw new Error("CKR_TOKEN_NOT_PRESENT:224");
  if (others.length > 0) throw new Error("CKR_TOKEN_NOT_RECOGNIZED:225");
  return slot;
}

/** The slot, when it holds the token. Another token in the machine may be broken; it is not ours to fail for. */
function slotOf(slots: ReturnType<Module["getSlots"]>, index: number, tokenSerial: string): Slot | undefined {
  try {
    const slot = slots.items(index);
    const { serialNumber, flags } = slot.getToken();
    const isOurs = serialNumber.trim() === tokenSerial && (flags & KEEPS_KEYS) === KEEPS_KEYS;
    return isOurs ? slot : undefined;
  } catch {
    return undefined;
  }
}

function readKey(session: Session, label: string): { facts: KeyFacts; key?: SigningKey } {
  const keys = session.find({ class: ObjectClass.PRIVATE_KEY, label });
  if (keys.length !== 1) return { facts: { label, count: keys.length } };
  const object = keys.items(0);
  const isRsa = readAttribute(object, CKA_KEY_TYPE)?.readUInt8() === CKK_RSA;
  const facts = {
    label,
    count: 1,
    ...readFlag(object, "sensitive"),
    ...readFlag(object, "alwaysSensitive"),
    ...readFlag(object, "extractable"),
    ...readFlag(object, "neverExtractable"),
    ...readFlag(object, "local"),
    ...readFlag(object, "private"),
    ...readFlag(object, "sign"),
    ...readPublicHalf(session, label),
  };
  return { facts, key: { handle: object.handle, mechanism: { mechanism: isRsa ? CKM_RSA_PKCS : CKM_ECDSA } } };
}

/** Undefined when the token does not tell; such a key is never taken for captive. */
function readAttribute(object: TokenObject, type: number): Buffer | undefined {
  try {
    const value = object.getAttribute(type);
    return value.length === 0 ? undefined : value;
  } catch {
    return undefined;
  }
}

function readFlag<N extends keyof typeof CKA>(object: TokenObject, name: N): { [K in N]?: boolean } {
  const value = readAttribute(object, CKA[name]);
  if (value?.length !== 1) return {};
  return { [name]: value[0] !== 0 } as { [K in N]?: boolean };
}

function readPublicHalf(session: Session, label: string): { spki?: string } {
  const keys = session.find({ class: ObjectClass.PUBLIC_KEY, label });
  const certificates = session.find({ class: ObjectClass.CERTIFICATE, label });
  const spki = keys.length === 1 ? spkiOfKey(keys.items(0)) : undefined;
  if (spki !== undefined) return { spki: spki.toString("base64") };
  const der = certificates.length === 1 ? readAttribute(certificates.items(0), CKA.value) : undefined;
  if (der === undefined) return {};
  return { spki: new X509Certificate(der).publicKey.export({ type: "spki", format: "der" }).toString("base64") };
}

function spkiOfKey(object: TokenObject): Buffer | undefined {
  const modulus = readAttribute(object, CKA.modulus);
  const exponent = readAttribute(object, CKA.publicExponent);
  if (modulus !== undefined && exponent !== undefined) {
    const key = encodeSequence(encodeUnsignedInteger(modulus), encodeUnsignedInteger(exponent));
    return encodeSequence(encodeSequence(encodeOid(OID.rsaEncryption), DER_NULL), encodeBitString(key));
  }
  const curve = readAttribute(object, CKA.ecParams);
  const point = readAttribute(object, CKA.ecPoint);
  if (curve === undefined || point === undefined) return undefined;
  return encodeSequence(encodeSequence(encodeOid(OID.ecPublicKey), curve), encodeBitString(unwrapPoint(point)));
}

/**
 * CKA_EC_POINT is an OCTET STRING around the point (PKCS#11 3.1 §6.3.3); some tokens leave it out. An uncompressed
 * point begins with 0x04 too, so the length must decide: 65 or 97 bytes are the bare point.
 */
function unwrapPoint(value: Buffer): Buffer {
  const isWrapped = value[0] === 0x04 && value[1] === value.length - 2 && value[2] === 0x04;
  return isWrapped ? value.subarray(2) : value;
}

/** For a token that has no object of these names. */
function generateKeys(session: Session, labels: readonly TokenLabel[]): void {
  try {
    for (const label of labels) generateKey(session, label, Buffer.of(TOKEN_LABELS.indexOf(label) + 1));
  } catch (error) {
    // Half a ceremony's keys would stand in the way of the next. By name: the token may have made what it denies.
    for (const label of labels) destroyAll(session, label);
    throw error;
  }
}

function generateKey(session: Session, label: string, id: Buffer): void {
  session.generateKeyPair(
    KeyGenMechanism.EC,
    { token: true, private: false, label, id, verify: true, paramsEC: encodeOid(OID.prime256v1) },
    { token: true, private: true, label, id, sign: true, sensitive: true, extractable: false },
  );
}

function destroyAll(session: Session, label: string): void {
  try {
    const objects = session.find({ label });
    for (let i = 0; i < objects.length; i++) objects.items(i).destroy();
  } catch {
    // The failure that led here is the one to tell; the next ceremony says what is left.
  }
}

/** The return value behind an error of the addon, 0 for none. */
export function ckrOf(error: unknown): number {
  if (!(error instanceof Error)) return 0;
  const known = "code" in error && typeof error.code === "number" ? error.code : 0;
  // C_FindObjects alone is not wrapped by the addon: its code stands only in the text.
  return known !== 0 ? known : Number(/CKR_\w+:(\d+)/.exec(error.message)?.[1] ?? 0);
}
