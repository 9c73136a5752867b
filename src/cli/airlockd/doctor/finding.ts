import type { ApplianceConfig } from "../../../config/appliance-config.ts";

/** What one check saw. */
export interface Finding {
  readonly isGood: boolean;
  /** What is there, with figures; for people. */
  readonly seen: string;
  /** What to type or to do, where it is not good. */
  readonly remedy?: string;
}

/** Looks and changes nothing. A check that cannot look does not pass: it throws, or says what it lacks. */
export type Check = (config: ApplianceConfig) => Promise<Finding>;

export function good(seen: string): Finding {
  return { isGood: true, seen };
}

export function bad(seen: string, remedy: string): Finding {
  return { isGood: false, seen, remedy };
}
