import { createPrivateKey, X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { Refusal } from "../../refusal.ts";
import type { ClientIdentity } from "../../rpc/client.ts";
import { askHealth } from "../../rpc/health-client.ts";
import { parseClientUri } from "../../x509/line-template.ts";

/** One thing that was looked at; the first that is not good is what to put right first. */
export interface ConnectionFinding {
  readonly what: string;
  readonly isGood: boolean;
  readonly text: string;
}

export interface Expected {
  readonly nowMs: number;
  /** Where they are given: what the certificate must say. */
  readonly role?: string;
  readonly name?: string;
}

const CLOCK_TOLERANCE_MS = 5 * 60_000;
const CONNECT_MS = 10_000;

/** Looks at a client's files, then at the appliance; never rejects. */
export async function checkConnection(identity: ClientIdentity, expected: Expected): Promise<ConnectionFinding[]> {
  const files = checkFiles(identity, expected);
  if (files.some(({ what, isGood }) => what === "files" && !isGood)) return files;
  const server = await checkServer(identity, expected.nowMs);
  if (server.some(({ isGood }) => !isGood)) return [...files, ...server];
  return [...files, ...server, ...(await checkAnswer(identity, expected.nowMs))];
}

function checkFiles(
  { lineCa, certificate, key }: ClientIdentity,
  { nowMs, role, name }: Expected,
): ConnectionFinding[] {
  let [ca, own]: (X509Certificate | undefined)[] = [];
  try {
    [ca, own] = [new X509Certificate(lineCa), new X509Certificate(certificate)];
    if (!own.checkPrivateKey(createPrivateKey(key))) {
      return [bad("files", "the key is not the certificate's: after a renewal both must be replaced")];
    }
  } catch {
    return [bad("files", "the line CA, the certificate or the key is no PEM file of its kind")];
  }
  const said = parseClientUri((own.subjectAltName ?? "").replace(/^URI:/, ""));
  const [saidRole, saidName] = [said?.role ?? "", said?.name ?? ""];
  return [
    good("files", "line CA, certificate and key belong together as files"),
    finding(
      "CA",
      own.verify(ca.publicKey),
      "the certificate is of this line CA",
      "the certificate is not of this line CA: take both from one custodian",
    ),
    finding(
      "role",
      role === undefined ? saidRole !== "" : saidRole === role,
      `the certificate is a ${saidRole}'s`,
      saidRole === ""
        ? "the certificate is no line client's at all"
        : `the certificate is a ${saidRole}'s, not that of role ${role}: enrol the right one`,
    ),
    finding(
      "name",
      name === undefined || saidName === name,
      `its name is ${saidName}`,
      `its name is ${saidName}, not ${name}`,
    ),
    checkDates("dates", own, nowMs),
  ];
}

function checkDates(what: string, certificate: X509Certificate, nowMs: number): ConnectionFinding {
  const [from, until] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  if (nowMs < from) return bad(what, `the certificate begins on ${day(from)}: is this machine's clock right?`);
  if (nowMs > until)
    return bad(what, `the certificate ended on ${day(until)}: renew it, or put this machine's clock right`);
  return good(what, `the certificate lasts until ${day(until)}`);
}

/** Reaches the appliance and looks at its certificate, which OpenSSL need not like for that. */
async function checkServer({ address, lineCa }: ClientIdentity, nowMs: number): Promise<ConnectionFinding[]> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  const shown = await readServerCertificate(host, Number(address.slice(colon + 1)));
  if (!(shown instanceof X509Certificate)) return [bad("network", shown)];
  const reached = good("network", `${address} answers`);
  if (!shown.verify(new X509Certificate(lineCa).publicKey)) {
    return [
      reached,
      bad("server", "the appliance shows a certificate of another line CA: is this the right appliance?"),
    ];
  }
  const isNamed = shown.checkHost(host) !== undefined || shown.checkIP(host) !== undefined;
  return [
    reached,
    finding(
      "server",
      isNamed,
      "the appliance's certificate is of this line CA and of this name",
      `the appliance's certificate is not of the name ${host}: use one that [service] names has`,
    ),
    checkDates("server", shown, nowMs),
  ];
}

function readServerCertificate(host: string, port: number): Promise<X509Certificate | string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, servername: "", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    const end = (result: X509Certificate | string) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(CONNECT_MS, () => end("nobody answers at this address: check it, the cable and the switch"));
    socket.once("error", (error: NodeJS.ErrnoException) => end(networkProblem(error.code ?? "")));
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      end(certificate ?? "what answers there shows no certificate: is this the right address?");
    });
  });
}

function networkProblem(code: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "the machine is there, but airlockd does not listen on this port: check address and airlockd";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "this host name is not known here: use the appliance's address, or put the name into /etc/hosts";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "there is no way to this address: check the cable and this machine's network";
    default:
      return "what answers there speaks no TLS 1.3, or hung up: is this the right port?";
  }
}

/** Whether the appliance takes this client, and whether both clocks agree. */
async function checkAnswer(identity: ClientIdentity, nowMs: number): Promise<ConnectionFinding[]> {
  try {
    const { isServing, nowMs: serverMs } = await askHealth(identity);
    return [
      good("enrolment", "the appliance takes this client"),
      ...(serverMs === undefined ? [] : [checkClocks(nowMs, serverMs)]),
      finding(
        "HSM",
        isServing,
        "the appliance can issue certificates",
        "the appliance is reached, but cannot issue now: sealed, or its HSM is away. Ask a custodian",
      ),
    ];
  } catch (error) {
    const isNamed = error instanceof Refusal && error.control === "ROLE-METHOD";
    const hungUp =
      "the appliance hung up on this certificate: it has ended for the appliance's clock, or is of another CA";
    return [bad("enrolment", isNamed ? error.message : hungUp)];
  }
}

function checkClocks(nowMs: number, serverMs: number): ConnectionFinding {
  const minutes = Math.round((nowMs - serverMs) / 60_000);
  const text = `this machine's clock is ${Math.abs(minutes)} min ${minutes < 0 ? "behind" : "ahead of"} the appliance's: put the wrong one right`;
  return finding("clock", Math.abs(nowMs - serverMs) <= CLOCK_TOLERANCE_MS, "both clocks agree", text);
}

function finding(what: string, isGood: boolean, text: string, otherwise: string): ConnectionFinding {
  return { what, isGood, text: isGood ? text : otherwise };
}

function good(what: string, text: string): ConnectionFinding {
  return { what, isGood: true, text };
}

function bad(what: string, text: string): ConnectionFinding {
  return { what, isGood: false, text };
}
