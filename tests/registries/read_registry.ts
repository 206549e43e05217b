import type { Registry } from "../helpers/expected.ts";

/** A registry behind a socket as the helpers of the tests read it. */
export function handlerOf(host: string): Registry {
  return (request) => {
    const { pathname, search } = new URL(request.url);
    return fetch(`http://${host}${pathname}${search}`, { headers: request.headers });
  };
}
