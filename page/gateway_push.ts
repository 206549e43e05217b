/// <reference lib="dom" />
import type { PushEvent } from "../src/push/events.ts";

export class GatewayFailure extends Error {
  override name = "GatewayFailure";
  readonly hint: string | undefined;

  constructor(message: string, hint: string | undefined) {
    super(message);
    this.hint = hint;
  }
}

/** What is pushed by a gateway, and who listens. */
export interface GatewayPush {
  file: File;
  /** `HOST/REPOSITORY:TAG`, at least one: all of one upload. */
  targets: readonly string[];
  images: readonly string[];
  platforms: readonly string[];
  signal: AbortSignal;
  onEvent: (event: PushEvent) => void;
  /** Told how much of the file the gateway has. */
  onSent: (bytes: number) => void;
}

/** Sends an archive to the gateway that this page came from, which pushes it on while it comes. */
export function pushByGateway(push: GatewayPush): Promise<void> {
  const { file, targets, images, platforms, signal, onEvent, onSent } = push;
  const [target = "", ...others] = targets;
  const url = new URL(`/v2push/${target}`, location.href);
  for (const other of others) url.searchParams.append("also", other);
  for (const image of images) url.searchParams.append("image", image);
  for (const platform of platforms) url.searchParams.append("platform", platform);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const lines = new Lines((line) => {
      if (line.type === "result") resolve();
      else if (line.type === "error") reject(failureOf(line));
      else onEvent(line as PushEvent);
    });
    request.open("PUT", url);
    request.upload.onprogress = ({ loaded }) => onSent(loaded);
    request.onprogress = () => lines.read(request.responseText);
    request.onload = () => {
      if (request.status !== 200) return reject(failureOf(parse(request.responseText)));
      lines.read(`${request.responseText}\n`);
      reject(new GatewayFailure("The gateway broke off", "try again"));
    };
    request.onerror = () =>
      reject(new GatewayFailure("No connection to the gateway", "check that it is running"));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

type Line = Record<string, unknown>;

/** JSON documents, each on a line, of a text that grows. */
class Lines {
  #at = 0;
  readonly #onLine: (line: Line) => void;

  constructor(onLine: (line: Line) => void) {
    this.#onLine = onLine;
  }

  read(text: string): void {
    for (let end; (end = text.indexOf("\n", this.#at)) >= 0; this.#at = end + 1) {
      const line = text.slice(this.#at, end).trim();
      if (line) this.#onLine(parse(line));
    }
  }
}

function parse(text: string): Line {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // Something before the gateway answered in its place.
  }
  return {};
}

function failureOf({ error }: Line): GatewayFailure {
  const { message, hint } = typeof error === "object" && error !== null ? error as Line : {};
  return new GatewayFailure(
    typeof message === "string" ? message : "The gateway failed",
    typeof hint === "string" ? hint : undefined,
  );
}
