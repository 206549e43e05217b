/** An address, if it is one: `URL.parse` and `URL.canParse`, which browsers and runtimes of the last years lack. */
export function parseUrl(text: string, base?: string | URL): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}
