import { Refusal } from "../refusal.ts";

export type ProductionPolicy = "allow" | "require" | "forbid";

/** @throws Refusal PRODUCTION-POLICY `needs-person` */
export function checkProductionPolicy(policy: ProductionPolicy, isProduction: boolean): void {
  if (policy === "require" && !isProduction) {
    throw new Refusal(
      "PRODUCTION-POLICY",
      "needs-person",
      "This line makes production devices only, and this one does not say that it is one. Set PRODUCTION=1 for lmp-device-register.",
      { field: "csr" },
    );
  }
  if (policy === "forbid" && isProduction) {
    throw new Refusal(
      "PRODUCTION-POLICY",
      "needs-person",
      "This line makes no production devices, and this one says that it is one. Unset PRODUCTION for lmp-device-register.",
      { field: "csr" },
    );
  }
}
