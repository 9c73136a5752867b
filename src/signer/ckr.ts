import type { RefusalCode } from "../refusal.ts";

/**
 * What the signer does about a PKCS#11 return value:
 *
 * - `session`: closes the session, opens another, repeats KEY-CAPTIVE, tries the request again;
 * - `restart`: kills the child and starts another, which logs in again; tries the request again;
 * - `login`: the same; kept apart because the login, not the module, was lost;
 * - `give-up`: that request fails and the child stays: the same would come back;
 * - `seal`: nothing is signed until a person has acted; the PIN is not presented again by itself.
 */
export type CkrAction = "session" | "restart" | "login" | "give-up" | "seal";

const CODE_OF: Record<CkrAction, RefusalCode> = {
  session: "away",
  restart: "away",
  login: "away",
  "give-up": "needs-person",
  seal: "needs-person",
};

/** Every return value of PKCS#11 3.1 but CKR_OK; names without the prefix. */
const TABLE: readonly (readonly [CkrAction, Readonly<Record<number, string>>])[] = [
  [
    "session",
    {
      1: "CANCEL",
      80: "FUNCTION_CANCELED",
      96: "KEY_HANDLE_INVALID",
      101: "KEY_CHANGED",
      130: "OBJECT_HANDLE_INVALID",
      144: "OPERATION_ACTIVE",
      145: "OPERATION_NOT_INITIALIZED",
      176: "SESSION_CLOSED",
      179: "SESSION_HANDLE_INVALID",
      336: "BUFFER_TOO_SMALL",
      352: "SAVED_STATE_INVALID",
      514: "OPERATION_CANCEL_FAILED",
    },
  ],
  [
    "restart",
    {
      2: "HOST_MEMORY",
      3: "SLOT_ID_INVALID",
      5: "GENERAL_ERROR",
      6: "FUNCTION_FAILED",
      8: "NO_EVENT",
      9: "NEED_TO_CREATE_THREADS",
      10: "CANT_LOCK",
      48: "DEVICE_ERROR",
      49: "DEVICE_MEMORY",
      50: "DEVICE_REMOVED",
      81: "FUNCTION_NOT_PARALLEL",
      177: "SESSION_COUNT",
      180: "SESSION_PARALLEL_NOT_SUPPORTED",
      182: "SESSION_EXISTS",
      183: "SESSION_READ_ONLY_EXISTS",
      184: "SESSION_READ_WRITE_SO_EXISTS",
      224: "TOKEN_NOT_PRESENT",
      225: "TOKEN_NOT_RECOGNIZED",
      384: "STATE_UNSAVEABLE",
      400: "CRYPTOKI_NOT_INITIALIZED",
      // Somebody else in this process initialised the module, with flags that we do not know.
      401: "CRYPTOKI_ALREADY_INITIALIZED",
      416: "MUTEX_BAD",
      417: "MUTEX_NOT_LOCKED",
      437: "EXCEEDED_MAX_ITERATIONS",
      438: "FIPS_SELF_TEST_FAILED",
      439: "LIBRARY_LOAD_FAILED",
      512: "FUNCTION_REJECTED",
      513: "TOKEN_RESOURCE_EXCEEDED",
    },
  ],
  [
    "login",
    {
      256: "USER_ALREADY_LOGGED_IN",
      257: "USER_NOT_LOGGED_IN",
      260: "USER_ANOTHER_ALREADY_LOGGED_IN",
      261: "USER_TOO_MANY_TYPES",
    },
  ],
  [
    "give-up",
    {
      7: "ARGUMENTS_BAD",
      16: "ATTRIBUTE_READ_ONLY",
      17: "ATTRIBUTE_SENSITIVE",
      18: "ATTRIBUTE_TYPE_INVALID",
      19: "ATTRIBUTE_VALUE_INVALID",
      27: "ACTION_PROHIBITED",
      32: "DATA_INVALID",
      33: "DATA_LEN_RANGE",
      64: "ENCRYPTED_DATA_INVALID",
      65: "ENCRYPTED_DATA_LEN_RANGE",
      66: "AEAD_DECRYPT_FAILED",
      84: "FUNCTION_NOT_SUPPORTED",
      98: "KEY_SIZE_RANGE",
      99: "KEY_TYPE_INCONSISTENT",
      100: "KEY_NOT_NEEDED",
      102: "KEY_NEEDED",
      103: "KEY_INDIGESTIBLE",
      104: "KEY_FUNCTION_NOT_PERMITTED",
      105: "KEY_NOT_WRAPPABLE",
      106: "KEY_UNEXTRACTABLE",
      112: "MECHANISM_INVALID",
      113: "MECHANISM_PARAM_INVALID",
      181: "SESSION_READ_ONLY",
      192: "SIGNATURE_INVALID",
      193: "SIGNATURE_LEN_RANGE",
      208: "TEMPLATE_INCOMPLETE",
      209: "TEMPLATE_INCONSISTENT",
      226: "TOKEN_WRITE_PROTECTED",
      240: "UNWRAPPING_KEY_HANDLE_INVALID",
      241: "UNWRAPPING_KEY_SIZE_RANGE",
      242: "UNWRAPPING_KEY_TYPE_INCONSISTENT",
      259: "USER_TYPE_INVALID",
      272: "WRAPPED_KEY_INVALID",
      274: "WRAPPED_KEY_LEN_RANGE",
      275: "WRAPPING_KEY_HANDLE_INVALID",
      276: "WRAPPING_KEY_SIZE_RANGE",
      277: "WRAPPING_KEY_TYPE_INCONSISTENT",
      288: "RANDOM_SEED_NOT_SUPPORTED",
      289: "RANDOM_NO_RNG",
      304: "DOMAIN_PARAMS_INVALID",
      320: "CURVE_NOT_SUPPORTED",
      368: "INFORMATION_SENSITIVE",
      432: "NEW_PIN_MODE",
      433: "NEXT_OTP",
      441: "PUBLIC_KEY_INVALID",
      515: "KEY_EXHAUSTED",
      516: "PENDING",
      517: "SESSION_ASYNC_NOT_SUPPORTED",
      518: "SEED_RANDOM_REQUIRED",
      519: "OPERATION_NOT_VALIDATED",
      520: "TOKEN_NOT_INITIALIZED",
      521: "PARAMETER_SET_NOT_SUPPORTED",
    },
  ],
  [
    "seal",
    {
      160: "PIN_INCORRECT",
      161: "PIN_INVALID",
      162: "PIN_LEN_RANGE",
      163: "PIN_EXPIRED",
      164: "PIN_LOCKED",
      258: "USER_PIN_NOT_INITIALIZED",
      440: "PIN_TOO_WEAK",
    },
  ],
];

export interface CkrRule {
  /** For the log: CKR_ and the standard's name. */
  readonly name: string;
  readonly action: CkrAction;
  readonly code: RefusalCode;
}

const RULES = new Map<number, CkrRule>(
  TABLE.flatMap(([action, names]) =>
    Object.entries(names).map(([ckr, name]) => [Number(ckr), { name: `CKR_${name}`, action, code: CODE_OF[action] }]),
  ),
);

/** A vendor's own code, or none at all (0: the addon itself failed), says nothing about the module's health. */
const UNKNOWN: CkrRule = { name: "CKR_VENDOR_DEFINED", action: "restart", code: "away" };

export function ruleFor(ckr: number): CkrRule {
  return RULES.get(ckr) ?? UNKNOWN;
}
