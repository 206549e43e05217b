import { assertEquals, assertStrictEquals } from "@std/assert";
import { answerFailure, badHost, ending, withWholeUrl } from "../../src/runtime/served_request.ts";
import { test } from "../helpers/test.ts";

/** A request as a server gives it that leaves its URL a path where no host was named. */
function served(url: string, host?: string): Request {
  const request = new Request("http://localhost/", { method: "POST", body: "abc" });
  if (host !== undefined) request.headers.set("host", host);
  return Object.defineProperty(request, "url", { value: url });
}

test("withWholeUrl() leaves a request alone whose URL is whole", () => {
  const request = served("http://127.0.0.1:5000/v2/", "127.0.0.1:5000");
  assertStrictEquals(withWholeUrl(request), request);
});

test("withWholeUrl() makes a URL of a path, where no host was named", async () => {
  const request = withWholeUrl(served("/v2/?n=1"));
  assertEquals([request?.url, request?.method], ["http://localhost/v2/?n=1", "POST"]);
  assertEquals(await request?.text(), "abc");
});

test("withWholeUrl() takes no request whose Host is none", () => {
  for (const host of ["a/b", "a?b", "a#b", "me@a", "a\\b"]) {
    assertEquals(withWholeUrl(served("http://a/v2/", host)), undefined, host);
  }
  assertEquals(withWholeUrl(served("/v2/", "a:b")), undefined);
});

test("servers answer what no handler is asked about", () => {
  assertEquals([badHost(), answerFailure()].map(({ status }) => status), [400, 500]);
  const { status, headers } = ending();
  assertEquals([status, headers.get("connection")], [503, "close"]);
});
