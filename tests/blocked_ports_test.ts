import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { BLOCKED_PORT, isBlockedPort } from "../src/blocked_ports.ts";
import { NetworkError } from "../src/errors.ts";
import { RegistryClient } from "../src/registry/client.ts";
import { openUrl } from "../src/source/http_source.ts";
import { test } from "./helpers/test.ts";

test("isBlockedPort() knows the ports of the fetch standard, and no others", () => {
  const asked = [0, 1, 22, 993, 2049, 4190, 5060, 5061, 6000, 6566, 6665, 6669, 6679, 6697, 10080];
  assertEquals(asked.filter((port) => !isBlockedPort(port)), []);
  const open = [80, 443, 3128, 5000, 5001, 5443, 6001, 6443, 6664, 6670, 8080, 10081, 65535];
  assertEquals(open.filter(isBlockedPort), []);
});

// Bun has no such list. Nothing is connected to here.
const skip = "Deno" in globalThis ? undefined : "it connects to every port";

test("isBlockedPort() says what fetch does", async () => {
  for (let port = 0; port <= 10080; port++) {
    if (!isBlockedPort(port)) continue;
    const error = await assertRejects(() => fetch(`http://127.0.0.1:${port}/`), TypeError);
    assertMatch(error.message, BLOCKED_PORT.pattern);
  }
}, { skip });

test("a registry and a URL at such a port are refused with a hint", async () => {
  const refused = [
    () => new RegistryClient("http://127.0.0.1:6000").repository("app").manifests.head("1"),
    () => openUrl(new URL("http://127.0.0.1:5060/image.tar"), new AbortController().signal),
  ];
  for (const ask of refused) {
    const error = await assertRejects(ask, NetworkError);
    assertMatch(error.message, /: fetch refuses this port, as browsers do$/);
    assertEquals([error.hint, error.retryable], [BLOCKED_PORT.hint, false]);
  }
}, { skip });
