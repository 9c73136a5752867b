import type { ApplianceConfig } from "../config/appliance-config.ts";
import { ConfigError } from "../config/config-error.ts";
import { Refusal } from "../refusal.ts";
import { HeldPin } from "./held-pin.ts";
import { type PinSource, pinFile } from "./pin-source.ts";

export interface OpenedPin {
  readonly source: PinSource;
  /** Where people's PIN goes; undefined when it comes from a file. */
  readonly held: HeldPin | undefined;
}

const WHEN_NONE = {
  ceremony: "The HSM is sealed: type its PIN here, or give shares to airlock-custody shares split --share",
  prompt: "The HSM is sealed: the PIN must be typed at the signer's own console.",
  shares: "The HSM is sealed: custodians must present their shares, with airlock-custody shares present",
} as const;

/**
 * The configured source of the PIN.
 * @throws ConfigError when it is a file that cannot be used: whoever starts the program hears it at once
 */
export async function openPin(
  { pin, pin_file }: ApplianceConfig["signer"],
  isCeremony: boolean,
  credentialsDirectory: string | undefined,
): Promise<OpenedPin> {
  if (pin !== "file") {
    const held = new HeldPin(WHEN_NONE[isCeremony ? "ceremony" : pin]);
    return { source: held, held };
  }
  // The configuration's own check: a file is named.
  const path = pin_file ?? "";
  const source = pinFile(path, credentialsDirectory);
  try {
    (await source.read()).fill(0);
  } catch (error) {
    if (error instanceof Refusal) throw new ConfigError(path, [error.message]);
    throw error;
  }
  return { source, held: undefined };
}
