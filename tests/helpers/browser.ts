import { isJsonObject } from "../../src/media_types.ts";
import { spawnProcess, temporaryFolder } from "./process.ts";
import { findProgram, requireProgram } from "./programs.ts";

/** Chromium, by the names that systems give it. */
const PROGRAM = ["chromium-headless-shell", "chromium"].find((name) => findProgram(name)) ??
  "chromium";

/** The browser, for the options of a test. */
export const chromium = requireProgram(PROGRAM);

/** Nothing that goes to other machines, and nothing that wants a screen. */
const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
  ...["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0"],
  // Whatever the environment has: names that only the browser maps to this machine are in no NO_PROXY.
  "--no-proxy-server",
];

/** How long a page may take until something is so: more than any takes where all is busy. */
const WAIT_MILLISECONDS = 120_000;
const POLL_MILLISECONDS = 25;

/** How a page is shown. */
export interface View {
  /** Width in CSS pixels; below 500 it is a phone. */
  width: number;
  height: number;
  scheme: "light" | "dark";
}

/** A browser that runs; disposing of it ends it. */
export interface Browser extends AsyncDisposable {
  readonly pid: number;
  /** Opens a page in a tab of its own, with nothing kept of other tabs. */
  open(url: string, view?: View): Promise<Tab>;
}

/** Starts a browser that has seen nothing yet. */
export async function startBrowser(flags: readonly string[] = []): Promise<Browser> {
  const folder = await temporaryFolder();
  // Chromium leaves a folder beside its data where it is ended from outside.
  const child = spawnProcess(
    chromium.path,
    [...FLAGS, ...flags, `--user-data-dir=${folder.path}/data`, "about:blank"],
    { env: { TMPDIR: folder.path } },
  );
  const output = child.stdout.cancel();
  const [mine, rest] = child.stderr.tee();
  const drained = rest.pipeTo(new WritableStream());
  const connection = await Connection.open(await findAddress(mine));
  return {
    pid: child.pid,
    async open(url, view = { width: 1280, height: 900, scheme: "light" }) {
      const { browserContextId } = await connection.send("Target.createBrowserContext", {});
      const { targetId } = await connection.send("Target.createTarget", {
        url: "about:blank",
        browserContextId,
      });
      const { sessionId } = await connection.send("Target.attachToTarget", {
        targetId,
        flatten: true,
      });
      const tab = new Tab(connection, String(sessionId));
      await tab.start(view);
      await tab.go(url);
      return tab;
    },
    async [Symbol.asyncDispose]() {
      connection.close();
      await child[Symbol.asyncDispose]();
      await Promise.allSettled([output, drained]);
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** One page. */
export class Tab {
  readonly #connection: Connection;
  readonly #session: string;
  /** What the page has logged as an error, and what it did not catch. */
  readonly errors: string[] = [];

  constructor(connection: Connection, session: string) {
    this.#connection = connection;
    this.#session = session;
  }

  async start(view: View): Promise<void> {
    this.#connection.listen(this.#session, (method, params) => {
      if (method !== "Runtime.exceptionThrown") return;
      this.errors.push(JSON.stringify(params));
    });
    for (const domain of ["Page", "Runtime", "DOM"]) await this.send(`${domain}.enable`);
    await this.show(view);
  }

  /** Changes how the page is shown. */
  async show({ width, height, scheme }: View): Promise<void> {
    const mobile = width < 500;
    const deviceScaleFactor = mobile ? 2 : 1;
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      mobile,
      deviceScaleFactor,
    });
    const features = [
      { name: "prefers-color-scheme", value: scheme },
      { name: "prefers-reduced-motion", value: "reduce" },
    ];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  /** Shows the page as a system does that chooses the colors of all pages. */
  async forceColors(): Promise<void> {
    const features = [{ name: "forced-colors", value: "active" }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  /** Goes to an address and waits until the page is there. */
  async go(url: string): Promise<void> {
    await this.send("Page.navigate", { url });
    await this.until("document.readyState === 'complete' && location.href !== 'about:blank'");
  }

  /** Goes away although the page asks whether to. */
  async leave(): Promise<void> {
    const gone = this.go("about:blank#left");
    const accept = () => this.send("Page.handleJavaScriptDialog", { accept: true });
    await retrying(accept);
    await gone;
  }

  /** Runs a script before any of the pages that are gone to from here on. */
  async runBefore(source: string): Promise<void> {
    await this.send("Page.addScriptToEvaluateOnNewDocument", { source });
  }

  /** The value of an expression, as JSON; a promise is awaited. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    if (exceptionDetails) {
      throw new Error(`Cannot evaluate ${expression}: ${JSON.stringify(exceptionDetails)}`);
    }
    return isJsonObject(result) ? result.value : undefined;
  }

  async until(expression: string, milliseconds = WAIT_MILLISECONDS): Promise<void> {
    const end = performance.now() + milliseconds;
    while (!await this.evaluate(`Boolean(${expression})`).catch(ignoreBetweenPages)) {
      if (performance.now() > end) {
        const text = await this.evaluate("document.body.innerText");
        throw new Error(`Waited in vain for ${expression}; the page says:\n${text}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    }
  }

  /** Waits until the page shows a text. */
  untilText(text: string, milliseconds?: number): Promise<void> {
    return this.until(`document.body.innerText.includes(${JSON.stringify(text)})`, milliseconds);
  }

  /** The text that the page shows. */
  async text(): Promise<string> {
    return String(await this.evaluate("document.body.innerText"));
  }

  /** Clicks on the first element that is called so, a button or a link. */
  async click(name: string): Promise<void> {
    const find = `[...document.querySelectorAll("button, a, summary, [role=button]")].find((at) =>
      at.checkVisibility() && !at.disabled &&
      (at.getAttribute("aria-label") ?? at.innerText).trim() === ${JSON.stringify(name)})`;
    // At once: what is found may be drawn anew before another question.
    await this.until(`((found) => found && (found.click(), true))(${find})`);
  }

  /** Types into the field with a label. */
  async fill(label: string, text: string): Promise<void> {
    const find = `[...document.querySelectorAll("label")].find((at) =>
      at.checkVisibility() && at.innerText.trim().startsWith(${JSON.stringify(label)}))?.control`;
    await this.until(`((field) => {
      if (!field) return false;
      field.value = ${JSON.stringify(text)};
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
      return true;
    })(${find})`);
  }

  async chooseFile(path: string): Promise<void> {
    const find = 'document.querySelector("input[type=file]")';
    await this.until(find);
    const { result } = await this.send("Runtime.evaluate", { expression: find });
    const objectId = isJsonObject(result) ? result.objectId : undefined;
    await this.send("DOM.setFileInputFiles", { files: [path], objectId });
  }

  /** Drops files of this machine somewhere on the page, or a folder. */
  async dropFile(...paths: string[]): Promise<void> {
    const data = { items: [], files: paths, dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await this.send("Input.dispatchDragEvent", { type, x: 5, y: 5, data });
    }
  }

  /** Presses a key, such as `Tab` or `Enter`. */
  async press(key: string): Promise<void> {
    const text = key === "Enter" ? "\r" : key === "Space" ? " " : undefined;
    const code = { Tab: 9, Enter: 13, Escape: 27, Space: 32 }[key];
    const event = { key: key === "Space" ? " " : key, code: key, windowsVirtualKeyCode: code };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event, text });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** A picture of the page, PNG. */
  async screenshot(isWhole = false): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: isWhole,
    });
    return Uint8Array.from(atob(String(data)), (character) => character.charCodeAt(0));
  }

  /** Bytes of JavaScript's heap that are in use. */
  async heap(): Promise<number> {
    await this.send("HeapProfiler.collectGarbage");
    const { usedSize } = await this.send("Runtime.getHeapUsage");
    return Number(usedSize);
  }

  send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    return this.#connection.send(method, params, this.#session);
  }
}

/** Chromium's DevTools protocol over a socket. */
class Connection {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  readonly #listeners = new Map<string, (method: string, params: unknown) => void>();
  #last = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(data)));
    socket.addEventListener("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The browser has ended"));
    });
  }

  static async open(address: string): Promise<Connection> {
    const socket = new WebSocket(address);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error(`Cannot connect to ${address}`)));
    });
    return new Connection(socket);
  }

  listen(session: string, listener: (method: string, params: unknown) => void): void {
    this.#listeners.set(session, listener);
  }

  send(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> {
    const id = ++this.#last;
    const answer = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return answer.promise;
  }

  close(): void {
    this.#socket.close();
  }

  #receive(message: unknown): void {
    if (!isJsonObject(message)) return;
    const { id, result, error, method, params, sessionId } = message;
    if (typeof id !== "number") {
      if (typeof method === "string") this.#listeners.get(String(sessionId))?.(method, params);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (isJsonObject(result)) waiting?.resolve(result);
    else waiting?.reject(new Error(JSON.stringify(error)));
  }
}

/** Calls something until it succeeds. */
async function retrying(call: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + WAIT_MILLISECONDS;
  while (performance.now() < end) {
    if (await call().then(() => true, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}

/** A page that is about to be replaced, and one that is not there yet, evaluate nothing. */
function ignoreBetweenPages(error: Error): void {
  if (!/execution context|navigated or closed/i.test(error.message)) throw error;
}

/** The address that the browser says it listens at. */
async function findAddress(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const [, address] = /DevTools listening on (ws:\S+)/.exec(text) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error(`Cannot start ${chromium.path}:\n${text}`);
}
