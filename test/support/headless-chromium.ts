import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** What the browser says about a page at one width. */
export interface PageLook {
  /** Of the whole document, and of the window. */
  readonly scrollWidth: number;
  readonly innerWidth: number;
  /** Elements that reach beyond the window's right edge, as `tag.class`. */
  readonly overflowing: readonly string[];
  /** Charts that are drawn, with their labels and sizes. */
  readonly charts: readonly { readonly label: string; readonly width: number; readonly height: number }[];
  readonly text: string;
  /** Every URL that was asked for. */
  readonly requests: readonly string[];
  /** What the console or the security policy complained of. */
  readonly complaints: readonly string[];
  readonly pngBase64: string;
}

export interface Browser {
  look(url: string, width: number): Promise<PageLook>;
  close(): Promise<void>;
}

const LOOK = `(() => {
  const boxes = [...document.querySelectorAll("body *")].map((e) => ({ e, r: e.getBoundingClientRect() }));
  return {
    scrollWidth: document.documentElement.scrollWidth,
    innerWidth,
    overflowing: boxes.filter(({ r }) => r.width > 0 && r.right > innerWidth + 1)
      .map(({ e }) => e.tagName + "." + (e.getAttribute("class") ?? "")),
    charts: boxes.filter(({ e }) => e.tagName === "svg" && e.hasAttribute("aria-label"))
      .map(({ e, r }) => ({ label: e.getAttribute("aria-label"), width: r.width, height: r.height })),
    text: document.body.innerText,
  };
})()`;

/** Debian's Chromium without a window, spoken to through its own debugging protocol. */
export async function openChromium(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "airlock-chromium-"));
  const child = spawn(
    "chromium",
    [
      ...["--headless=new", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
      // As root, in a container, there is no other way; the page is our own.
      ...["--no-sandbox", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"],
      ...["--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"],
    ],
    { stdio: "ignore", detached: true },
  );
  const ended = once(child, "close");
  try {
    const port = await readPort(profile, child);
    return {
      look: (url, width) => lookAt(port, url, width),
      close: async () => {
        // It is several processes: the whole group goes.
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
        await ended;
        await rm(profile, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

async function readPort(profile: string, child: ChildProcess): Promise<string> {
  const deadlineMs = Date.now() + 60_000;
  while (child.exitCode === null && Date.now() < deadlineMs) {
    const [port] = (await readFile(join(profile, "DevToolsActivePort"), "utf8").catch(() => "")).split("\n");
    if (port !== undefined && port !== "") return port;
    await pause(50);
  }
  throw new Error("chromium did not start");
}

async function lookAt(port: string, url: string, width: number): Promise<PageLook> {
  const answer = await fetch(`http://127.0.0.1:${port}/json/new?about:blank`, { method: "PUT" });
  const { webSocketDebuggerUrl } = (await answer.json()) as { webSocketDebuggerUrl: string };
  const tab = await Tab.open(webSocketDebuggerUrl);
  try {
    for (const domain of ["Page", "Network", "Runtime", "Log"]) await tab.call(`${domain}.enable`);
    await tab.call("Emulation.setDeviceMetricsOverride", {
      width,
      height: 800,
      deviceScaleFactor: 1,
      mobile: false,
    });
    const loaded = tab.event("Page.loadEventFired");
    await tab.call("Page.navigate", { url });
    await loaded;
    const { result } = await tab.call<{ result: { value: Omit<PageLook, "requests" | "complaints" | "pngBase64"> } }>(
      "Runtime.evaluate",
      { expression: LOOK, returnByValue: true },
    );
    const { data } = await tab.call<{ data: string }>("Page.captureScreenshot", { captureBeyondViewport: true });
    return { ...result.value, requests: tab.requests, complaints: tab.complaints, pngBase64: data };
  } finally {
    tab.close();
  }
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, { readonly url?: string; readonly text?: string } | undefined>>;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** One tab's debugging socket. */
class Tab {
  readonly requests: string[] = [];
  readonly complaints: string[] = [];
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #events = new Map<string, () => void>();
  #next = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(String(data)) as Message));
  }

  static async open(url: string): Promise<Tab> {
    const socket = new WebSocket(url);
    const tab = new Tab(socket);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error("the browser's debugging socket failed")));
    });
    return tab;
  }

  async call<T>(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const id = ++this.#next;
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result as T;
  }

  event(method: string): Promise<void> {
    return new Promise((resolve) => this.#events.set(method, resolve));
  }

  close(): void {
    this.#socket.close();
  }

  #take({ id, method = "", params, ...message }: Message): void {
    if (id !== undefined) this.#waiting.get(id)?.(message);
    this.#events.get(method)?.();
    if (method === "Network.requestWillBeSent") this.requests.push(params?.request?.url ?? "");
    if (method === "Log.entryAdded") this.complaints.push(params?.entry?.text ?? "");
    if (method === "Runtime.exceptionThrown") this.complaints.push("an exception");
  }
}
