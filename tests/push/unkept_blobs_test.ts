import { assert, assertEquals } from "@std/assert";
import { OciError, RegistryError } from "../../src/errors.ts";
import type { PushOptions } from "../../src/push/options.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { type Fault, faultLayer, type SeenRequest } from "../helpers/fault_layer.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
const MIB = 1024 * 1024;
const large = await makeLayer(writeTar([{ path: "large", body: new Uint8Array(2 * MIB) }]));
const DOCKER = toBlob(
  dockerSave([{ image: await makeImage(["a", large]), repoTags: ["app:1"] }]),
);

const WAYS: Record<string, { isPipe?: boolean; options?: PushOptions }> = {
  "a file": {},
  "a file in chunks": { options: { chunkSize: 700_000 } },
  "a pipe": { isPipe: true },
  "a pipe, compressed": { isPipe: true, options: { compression: "gzip" } },
  "one image of a pipe": { isPipe: true, options: { images: ["app:1"] } },
};

const TAKEN: Fault = {
  kind: "answer",
  answer: () => new Response(null, { status: 201, headers: { server: "Middle/1" } }),
  readBody: true,
};

async function push(fetch: (request: Request) => Promise<Response>, way: string) {
  const { isPipe, options } = WAYS[way] ?? {};
  const pushed: string[] = [];
  const source = isPipe ? DOCKER.stream() : DOCKER;
  const result = pushImage(source, TARGET, {
    ...{ memoryBudget: MIB, concurrency: 1, retry: { delay: 0 }, fetch },
    ...options,
    onEvent: (event) => {
      if (event.type === "blob-done" && event.status === "pushed") pushed.push(event.digest);
    },
  });
  return { result: await result.catch((error: unknown) => ({ error })), pushed };
}

for (const way of Object.keys(WAYS)) {
  test(`pushImage() of ${way} reports no blob as pushed that something took and dropped`, async () => {
    const layer = faultLayer(
      createRegistry(),
      ({ method }) => method === "PUT" ? TAKEN : undefined,
    );
    const { result, pushed } = await push(layer.fetch, way);
    const { error } = result as { error?: unknown };
    assert(error instanceof RegistryError, `${error}`);
    assert(error.message.includes("it is not there"), error.message);
    assert(error.hint?.includes("a proxy before the registry (Server: Middle/1)"), error.hint);
    assertEquals(pushed, []);
    assert(!layer.lines().some((line) => line.startsWith("PUT app/manifests")), "it has a tag");
  });

  test(`pushImage() of ${way} says what it means that bodies are dropped, and reports none as pushed`, async () => {
    const layer = faultLayer(
      createRegistry(),
      ({ method }) =>
        method === "GET" || method === "HEAD"
          ? undefined
          : { kind: "change-request", change: withoutBody },
    );
    const { result, pushed } = await push(layer.fetch, way);
    const { error } = result as { error?: unknown };
    assert(error instanceof OciError, `${error}`);
    assert(
      /a proxy before the registry (?:may change it|changes or drops|that answers)/.test(
        error.hint ?? "",
      ),
      error.message,
    );
    assertEquals(pushed, []);
  });

  test(`pushImage() of ${way} asks for one blob of a registry that names no digests, and for none of others`, async () => {
    const asked = async (name: (response: Response) => Response) => {
      const layer = faultLayer(
        createRegistry(),
        ({ method }) => method === "PUT" ? { kind: "change-response", change: name } : undefined,
      );
      const { result } = await push(layer.fetch, way);
      assert("images" in result, JSON.stringify(result));
      await readBack(layer.fetch, "app", "1");
      return layer.seen.filter(isQuestion).length;
    };
    const named = await asked((response) => response);
    const unnamed = await asked((response) => {
      const headers = new Headers(response.headers);
      headers.delete("docker-content-digest");
      return new Response(response.body, { status: response.status, headers });
    });
    assert(unnamed - named >= 1 && unnamed - named <= 2, `${named}, ${unnamed}`);
  });
}

test("pushImage() waits for a store that shows late what it has taken, and takes no answer for none", async () => {
  for (const status of [404, 405]) {
    let hidden = 3;
    const layer = faultLayer(createRegistry(), ({ method, path }) => {
      if (method === "PUT") return { kind: "change-response", change: bare };
      if (!path.includes("/blobs/sha256")) return undefined;
      const isHidden = status === 405 || (method === "GET" && hidden-- > 1) || method === "HEAD";
      return isHidden
        ? { kind: "answer", answer: () => new Response(null, { status }) }
        : undefined;
    });
    const { result, pushed } = await push(layer.fetch, "a file");
    assert("images" in result, JSON.stringify(result));
    assertEquals(pushed.length, 3);
  }
});

/** As distribution takes a PATCH: what its headers tell of the body counts for nothing. */
function withoutBody({ url, method, headers }: Request): Request {
  const kept = new Headers(headers);
  for (const name of ["content-length", "content-range"]) kept.delete(name);
  return new Request(url, { method, headers: kept });
}

function bare(response: Response): Response {
  return new Response(null, { status: response.status });
}

function isQuestion({ method, path }: SeenRequest): boolean {
  return (method === "HEAD" || method === "GET") && path.includes("/blobs/");
}
