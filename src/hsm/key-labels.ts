/** The token's three keys; apart from the messages, so that a token child need not load their schemas to start. */
export const KEY_LABELS = ["device-ca", "bundle-sign", "line-ca"] as const;
export type KeyLabel = (typeof KEY_LABELS)[number];
