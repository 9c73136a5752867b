import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";

export interface GuestOptions {
  readonly disk: string;
  /** The firmware's variables, a writable copy. */
  readonly variables: string;
  /** Everything that the serial console says. */
  readonly logFile: string;
  /** qemu's -nic. */
  readonly nic: string;
  /** A FAT32 stick on USB: a raw image. */
  readonly stick?: string;
  /** What runs qemu, such as `ip netns exec NAME`. */
  readonly before?: readonly string[];
}

const FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/** A virtual machine with a person at its serial console. Software emulation: slow, and the same everywhere. */
export class Guest {
  readonly #child: ChildProcess;
  #unread = "";
  #wake: () => void = () => undefined;

  constructor({ disk, variables, logFile, nic, stick, before = [] }: GuestOptions) {
    const [command = "", ...args] = [
      ...before,
      ...["qemu-system-x86_64", "-machine", "q35", "-accel", process.env.AIRLOCK_ACCEL ?? "tcg,thread=multi"],
      ...["-cpu", "Nehalem", "-smp", "2", "-m", "1024", "-display", "none", "-monitor", "none", "-serial", "stdio"],
      ...[
        "-drive",
        `if=pflash,format=raw,readonly=on,file=${FIRMWARE}`,
        "-drive",
        `if=pflash,format=raw,file=${variables}`,
      ],
      ...["-drive", `if=virtio,format=raw,file=${disk}`, "-nic", nic, "-device", "virtio-rng-pci"],
      ...(stick === undefined ? [] : ["-device", "qemu-xhci", "-drive", `if=none,id=stick,format=raw,file=${stick}`]),
      ...(stick === undefined ? [] : ["-device", "usb-storage,drive=stick,removable=on"]),
    ];
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      appendFileSync(logFile, chunk);
      this.#unread += chunk.toString("utf8");
      this.#wake();
    });
    this.#child.once("exit", () => this.#wake());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits for what the console says; returns everything up to and with it. */
  async expect(pattern: RegExp, timeoutMs = 120_000): Promise<string> {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#unread);
      if (match !== null) {
        const end = match.index + match[0].length;
        const text = this.#unread.slice(0, end);
        this.#unread = this.#unread.slice(end);
        return text;
      }
      if (this.hasEnded || Date.now() > until) {
        throw new Error(`the console never said ${pattern}; it ended with:\n${this.#unread.slice(-2_000)}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async answer(question: RegExp, reply: string, timeoutMs?: number): Promise<string> {
    const text = await this.expect(question, timeoutMs);
    this.type(reply);
    return text;
  }

  /** Runs a command in a shell that is logged in; returns its output. */
  async run(command: string, timeoutMs?: number): Promise<string> {
    // Said in two halves, so that the echo of the command is not taken for its end.
    this.type(`stty -echo; echo BEG''IN-OUT; ${command}; echo END''-OUT $?`);
    await this.expect(/BEGIN-OUT\r?\n/, timeoutMs);
    const text = await this.expect(/END-OUT \d+\r?\n/, timeoutMs);
    return text.replace(/END-OUT \d+\r?\n$/, "").replaceAll("\r", "");
  }

  /** SIGKILL: what the machine had not made durable is gone. */
  async cutPower(): Promise<void> {
    this.#child.kill("SIGKILL");
    if (!this.hasEnded) await once(this.#child, "exit");
  }
}
