import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createConnection } from "node:net";
import { Console } from "./console.ts";

export interface GuestOptions {
  readonly disk: string;
  /** The firmware's variables, a writable copy. */
  readonly variables: string;
  /** Everything that the consoles say. */
  readonly logFile: string;
  /** qemu's -nic. */
  readonly nic: string;
  /** A FAT32 stick on USB: a raw image. */
  readonly stick?: string;
  /** What runs qemu, such as `ip netns exec NAME`. */
  readonly before?: readonly string[];
  /** Started by hand with another command line, as only somebody at the machine can while Secure Boot is off. */
  readonly byHand?: {
    readonly bootFile: string;
    readonly commandLine: string;
    /** A UNIX socket for each further serial line: ttyS1, ttyS2. */
    readonly lines: readonly string[];
  };
}

const FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/** A virtual machine with a person at its serial console. Software emulation: slow, and the same everywhere. */
export class Guest extends Console {
  readonly #child: ChildProcess;
  readonly #options: GuestOptions;

  constructor(options: GuestOptions) {
    const [command = "", ...args] = commandOf(options);
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    super(child.stdin, child.stdout, options.logFile, () => hasEnded(child));
    this.#child = child;
    this.#options = options;
  }

  get hasEnded(): boolean {
    return hasEnded(this.#child);
  }

  /** A further serial line of a machine that was started by hand: 1 is ttyS1. */
  async line(number: number): Promise<Console> {
    const socket = createConnection(this.#options.byHand?.lines[number - 1] ?? "");
    await once(socket, "connect");
    return new Console(socket, socket, this.#options.logFile, () => this.hasEnded);
  }

  /** SIGKILL: what the machine had not made durable is gone. */
  async cutPower(): Promise<void> {
    this.#child.kill("SIGKILL");
    if (!this.hasEnded) await once(this.#child, "exit");
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function commandOf({ disk, variables, nic, stick, before = [], byHand }: GuestOptions): string[] {
  const flash = ["-drive", `if=pflash,format=raw,readonly=on,file=${FIRMWARE}`];
  return [
    ...before,
    ...["qemu-system-x86_64", "-machine", "q35", "-accel", process.env.AIRLOCK_ACCEL ?? "tcg,thread=multi"],
    ...["-cpu", "Nehalem", "-smp", "2", "-m", "1024", "-display", "none", "-monitor", "none", "-serial", "stdio"],
    ...[...flash, "-drive", `if=pflash,format=raw,file=${variables}`],
    ...["-drive", `if=virtio,format=raw,file=${disk}`, "-nic", nic, "-device", "virtio-rng-pci"],
    ...(stick === undefined ? [] : ["-device", "qemu-xhci", "-drive", `if=none,id=stick,format=raw,file=${stick}`]),
    ...(stick === undefined ? [] : ["-device", "usb-storage,drive=stick,removable=on"]),
    ...(byHand?.lines ?? []).flatMap((line) => ["-serial", `unix:${line},server=on,wait=off`]),
    ...(byHand === undefined ? [] : ["-kernel", byHand.bootFile, "-append", byHand.commandLine]),
  ];
}
