import { tokenContract } from "../contract/token-contract.ts";
import { makeSoftToken } from "../support/softhsm.ts";
import { makeNssToken } from "./nss-token.ts";
import { makeTpmToken } from "./tpm-token.ts";

tokenContract("SoftHSM", () => makeSoftToken(), 400);
tokenContract("NSS softokn", makeNssToken, 400);
tokenContract("a TPM 2.0", makeTpmToken, 80);
