/** What the token's keys are for; apart from the messages, so that a token child need not load their schemas to start. */
export const KEY_LABELS = ["device-ca", "bundle-sign", "line-ca"] as const;
export type KeyLabel = (typeof KEY_LABELS)[number];

const LATER_DEVICE_CAS = [
  "device-ca-2",
  "device-ca-3",
  "device-ca-4",
  "device-ca-5",
  "device-ca-6",
  "device-ca-7",
  "device-ca-8",
  "device-ca-9",
] as const;

/** CKA_LABELs of one device CA key after another. Which of them is `device-ca` now, the installed certificate says. */
export const DEVICE_CA_LABELS = ["device-ca", ...LATER_DEVICE_CAS] as const;

/** Every CKA_LABEL that is looked for; a token child is asked for a key by its place here. */
export const TOKEN_LABELS = [...KEY_LABELS, ...LATER_DEVICE_CAS] as const;
export type TokenLabel = (typeof TOKEN_LABELS)[number];

/** 1 for the ceremony's own device CA key; undefined for a label of no device CA. */
export function deviceCaGeneration(label: TokenLabel): number | undefined {
  const labels: readonly TokenLabel[] = DEVICE_CA_LABELS;
  const index = labels.indexOf(label);
  return index < 0 ? undefined : index + 1;
}
