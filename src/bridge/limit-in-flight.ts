import { Refusal } from "../refusal.ts";
import type { Registrar } from "./registrar.ts";

/** Passes on at most so many registrations at once; those above are told to come again. */
export function limitInFlight(registrar: Registrar, max: number): Registrar {
  let inFlight = 0;
  return {
    async register(request) {
      if (inFlight >= max) {
        throw new Refusal(
          "SERVICE-STATE",
          "exhausted",
          "Too many devices register at this station at once. Wait a moment and run the registration again.",
        );
      }
      inFlight += 1;
      try {
        return await registrar.register(request);
      } finally {
        inFlight -= 1;
      }
    },
  };
}
