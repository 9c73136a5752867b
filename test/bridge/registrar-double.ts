import type { Registrar, RegistrationAnswer, RegistrationRequest } from "../../src/bridge/registrar.ts";

export const ANSWER: RegistrationAnswer = {
  certificatePem: "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n",
  issuerPem: "-----BEGIN CERTIFICATE-----\nissuer\n-----END CERTIFICATE-----\n",
  factoryRootPem: "-----BEGIN CERTIFICATE-----\nroot\n-----END CERTIFICATE-----\n",
  sotaToml: "[tls]\n",
  sequence: 42n,
  alreadyIssued: false,
  warning: "",
};

type Step = RegistrationAnswer | Error | Promise<RegistrationAnswer>;

/** Stands in for the appliance: answers what it was told to, once each, and then ANSWER. */
export class RegistrarDouble implements Registrar {
  readonly requests: RegistrationRequest[] = [];
  readonly #steps: Step[] = [];

  next(...steps: Step[]): void {
    this.#steps.push(...steps);
  }

  async register(request: RegistrationRequest): Promise<RegistrationAnswer> {
    this.requests.push(request);
    const step = this.#steps.shift() ?? ANSWER;
    if (step instanceof Error) throw step;
    return await step;
  }
}
