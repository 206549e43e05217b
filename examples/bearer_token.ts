// A registry that wants a token: the injected fetch gets one where it is asked to, and keeps it. There is no login in
// tarpush itself; this is the door for it.
import { type FetchHandler, pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { openFile } from "@tarpush/tarpush/runtime";

function withToken(inner: FetchHandler, getToken: () => Promise<string>): FetchHandler {
  let token: Promise<string> | undefined;
  return async (request) => {
    // Asked for once, before the first request: a body that was sent cannot be sent again after a 401.
    const headers = new Headers(request.headers);
    headers.set("authorization", `Bearer ${await (token ??= getToken())}`);
    return await inner(new Request(request, { headers }));
  };
}

// In place of a real registry and its token service: one in this process that lets nobody in without "secret".
const registry = createRegistry();
const guarded: FetchHandler = (request) =>
  request.headers.get("authorization") === "Bearer secret"
    ? registry(request)
    : Promise.resolve(new Response(null, { status: 401 }));

await using file = await openFile(
  new URL("../tests/fixtures/docker28-single.tar", import.meta.url),
);
const fetch = withToken(guarded, () => Promise.resolve("secret"));
const { images } = await pushImage(file, "registry.test/team/app:1.0", { fetch });
console.log(images[0]?.digest);
