import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "./programs.ts";

/**
 * A stand-in for the Factory's own PKI, made with the openssl commands that the vendor documents: a root whose key is a
 * file on "the other side", and the signing of a device CA's CSR.
 */
export class DemoFactory {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  get rootPem(): string {
    return join(this.#dir, "factory_ca.pem");
  }

  /** Makes the root: CN=Factory-CA, OU=factory, 20 years. */
  async createRoot(factory: string): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await runTool("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-days", "7300"],
      ...["-subj", `/CN=Factory-CA/OU=${factory}`, "-keyout", this.#key, "-out", this.rootPem],
      ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    ]);
  }

  /** What `fioctl keys ca sign` does: returns the device CA's certificate file. */
  async signDeviceCa(csrFile: string, certificateFile: string): Promise<void> {
    const extensions = join(this.#dir, "device-ca.ext");
    await writeFile(
      extensions,
      "keyUsage=critical,keyCertSign\nbasicConstraints=critical,CA:TRUE,pathlen:0\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
    );
    await runTool("openssl", [
      ...["x509", "-req", "-in", csrFile, "-CA", this.rootPem, "-CAkey", this.#key, "-days", "3650", "-sha256"],
      ...["-extfile", extensions, "-out", certificateFile],
    ]);
  }

  get #key(): string {
    return join(this.#dir, "factory_ca.key");
  }
}
