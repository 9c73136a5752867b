/** Families of public keys, as the configuration names them. RSA stands for 2048 to 4096 bits with e = 65537. */
export type KeyKind = "P-256" | "P-384" | "RSA";

export const ALL_KEY_KINDS: readonly KeyKind[] = ["P-256", "P-384", "RSA"];
