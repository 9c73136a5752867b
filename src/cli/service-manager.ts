import { writeSync } from "node:fs";

/** systemd, as a service sees it: sd_notify(3). Without systemd every call does nothing. */
export interface ServiceManager {
  /** The service answers now. Starts the watchdog's heartbeat: it stops when this process's event loop stops. */
  ready(): void;
  stopping(): void;
}

/**
 * Reads what systemd and airlock-launch left in the environment. The launcher opened the socket, because Node cannot
 * make datagram sockets of the UNIX family; writing to one that is open needs none.
 */
export function openServiceManager(environment: NodeJS.ProcessEnv = process.env): ServiceManager {
  const fd = Number(environment.AIRLOCK_NOTIFY_FD);
  const periodMs = watchdogPeriodMs(environment);
  let heartbeat: NodeJS.Timeout | undefined;
  const tell = (message: string) => {
    if (Number.isInteger(fd) && fd > 2) send(fd, message);
  };
  return {
    ready() {
      tell("READY=1\n");
      if (periodMs !== undefined) heartbeat = setInterval(() => tell("WATCHDOG=1\n"), periodMs).unref();
    },
    stopping() {
      tell("STOPPING=1\n");
      // The stop has a limit of its own; no heartbeat may keep a process alive that does not come to its end.
      clearInterval(heartbeat);
    },
  };
}

/** Half of the limit, as sd_watchdog_enabled(3) advises; undefined when nobody watches this process. */
function watchdogPeriodMs({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv): number | undefined {
  const limitMs = Number(WATCHDOG_USEC) / 1000;
  const isForUs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
  return isForUs && limitMs >= 2 ? limitMs / 2 : undefined;
}

/** A full queue or a manager that is gone is no reason to fail: the watchdog decides. */
function send(fd: number, message: string): void {
  try {
    writeSync(fd, message);
  } catch {
    return;
  }
}

/** Descriptors of listeners that systemd bound for this process: sd_listen_fds(3), from 3 upwards. */
export function inheritedListeners({ LISTEN_PID, LISTEN_FDS }: NodeJS.ProcessEnv = process.env): number[] {
  const count = Number(LISTEN_FDS);
  if (LISTEN_PID !== String(process.pid) || !Number.isInteger(count) || count < 1) return [];
  return Array.from({ length: count }, (_, i) => 3 + i);
}
