import type { BaseLogger } from "pino";
import { Refusal } from "../refusal.ts";
import type { Sealing } from "./sealing.ts";
import type { TokenPool } from "./token-pool.ts";

interface Asking {
  readonly pool: Pick<TokenPool, "whenBarred" | "barred">;
  readonly sealing: Pick<Sealing, "enter">;
  /** undefined when nobody is at the console. */
  readonly ask: (why: string) => Promise<Buffer | undefined>;
  readonly logger: BaseLogger;
}

/** Asks at the console whenever the token is sealed, until the console has ended. Never rejects. */
export async function askForPin({ pool, sealing, ask, logger }: Asking): Promise<void> {
  for (;;) {
    await pool.whenBarred();
    const pin = await ask(pool.barred?.message ?? "");
    if (pin === undefined) return;
    try {
      await sealing.enter(pin);
    } catch (error) {
      const reason = error instanceof Refusal ? error.message : "unexpected failure";
      logger.warn({ control: "KEY-CAPTIVE" }, reason);
    }
  }
}
