import { assertEquals } from "@std/assert";
import { currentHost } from "../../src/runtime/mod.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { test } from "../helpers/test.ts";

const onlyDeno = "Deno" in globalThis ? undefined : "Bun's fetch speaks HTTP/1.1 anyway";

test("Host.fetchWith() speaks HTTP/1.1 where HTTP/2 is offered", async () => {
  const authority = await createAuthority();
  using listener = Deno.listenTls({
    ...await authority.issue(),
    hostname: "127.0.0.1",
    port: 0,
    alpnProtocols: ["h2", "http/1.1"],
  });
  const serve = async () => {
    using connection = await listener.accept();
    const { alpnProtocol } = await connection.handshake();
    await connection.read(new Uint8Array(4096));
    const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    await connection.write(new TextEncoder().encode(answer));
    return alpnProtocol;
  };
  const spoken = serve();
  const fetch = currentHost().fetchWith({ ca: authority.cert });
  const response = await fetch(new Request(`https://127.0.0.1:${listener.addr.port}/v2/`));
  await response.body?.cancel();
  assertEquals([response.status, await spoken], [200, "http/1.1"]);
}, { skip: onlyDeno });
