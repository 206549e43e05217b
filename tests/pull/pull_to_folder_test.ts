import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import type { Bytes } from "../../src/bytes.ts";
import { OciError, RegistryError } from "../../src/errors.ts";
import type { PullEvent } from "../../src/pull/events.ts";
import { type FolderTarget, pullToFolder } from "../../src/pull/pull_to_folder.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, encode, makeImage, toBlob } from "../helpers/archives.ts";
import { asNetwork } from "../helpers/as_network.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";

/** A folder in memory, and the files that were written into it. */
class MemoryFolder implements FolderTarget {
  readonly name = "layout";
  readonly files = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly written: string[] = [];
  open = 0;
  #turn: Promise<void> = Promise.resolve();
  #locked: string | undefined;

  put(path: string, text: string) {
    // As Windows has it.
    if (path === this.#locked) return Promise.reject(new OciError("it is locked"));
    this.files.set(path, encode(text));
    this.written.push(path);
    return Promise.resolve();
  }
  async takeTurn(path: string) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#turn;
    this.#turn = promise;
    await before;
    this.#locked = path;
    return {
      [Symbol.asyncDispose]: () => {
        this.#locked = undefined;
        return Promise.resolve(resolve());
      },
    };
  }
  isEmpty() {
    return Promise.resolve(this.files.size === 0);
  }
  size(path: string) {
    return Promise.resolve(this.files.get(path)?.length);
  }
  read(path: string) {
    return Promise.resolve(new TextDecoder().decode(this.files.get(path)));
  }
  makeFolder() {
    return Promise.resolve();
  }
  create(path: string) {
    let parts: Uint8Array<ArrayBuffer>[] = [];
    this.open++;
    return Promise.resolve({
      write: (bytes: Uint8Array) => {
        parts.push(bytes.slice());
        return Promise.resolve();
      },
      commit: async () => {
        this.files.set(path, await new Blob(parts).bytes());
        this.written.push(path);
      },
      [Symbol.asyncDispose]: () => {
        parts = [];
        this.open--;
        return Promise.resolve();
      },
    });
  }
}

interface Entry {
  digest: string;
  annotations?: Record<string, string>;
}

function indexOf(folder: MemoryFolder): Entry[] {
  return JSON.parse(new TextDecoder().decode(folder.files.get("index.json"))).manifests;
}

/** A registry with two images that share a layer. */
async function makeRegistry() {
  const registry = createRegistry();
  for (const name of ["one", "two"]) {
    const image = await makeImage(["base", name]);
    const tar = toBlob(dockerSave([{ image }]));
    await pushImage(tar, `localhost:5000/${name}:1`, { fetch: registry });
  }
  return registry;
}

test("pullToFolder() writes a layout, index.json last, that is pushed with the same digest", async () => {
  const registry = await makeRegistry();
  const folder = new MemoryFolder();
  await pullToFolder("localhost:5000/one:1", folder, { fetch: registry });
  assertEquals(folder.written.at(-1), "index.json");
  assertEquals(folder.open, 0);
  const source = {
    async *files() {
      for (const [path, bytes] of folder.files) {
        yield { path, open: () => Promise.resolve(new Blob([bytes])) };
      }
    },
  };
  const { images } = await pushImage(source, "localhost:5000/again:1", { fetch: registry });
  assertEquals(images[0]?.digest, indexOf(folder)[0]?.digest);
});

test("pullToFolder() keeps what another save has added while it was at work", async () => {
  const registry = await makeRegistry();
  const folder = new MemoryFolder();
  let other: Promise<void> | undefined;
  const fetch: FetchHandler = async (request) => {
    if (request.url.includes("/blobs/")) {
      await (other ??= pullToFolder("localhost:5000/two:1", folder, { fetch: registry }));
    }
    return await registry(request);
  };
  await pullToFolder("localhost:5000/one:1", folder, { fetch });
  const names = indexOf(folder).map(({ annotations }) => annotations?.["io.containerd.image.name"]);
  assertEquals(names.sort(), ["localhost:5000/one:1", "localhost:5000/two:1"]);
});

test("pullToFolder() frees what came from the network once it is written", async () => {
  const pieces: Bytes[] = [];
  const registry = await makeRegistry();
  const folder = new MemoryFolder();
  await pullToFolder("localhost:5000/one:1", folder, { fetch: asNetwork(registry, pieces) });
  assert(pieces.length > 0 && pieces.every(({ buffer }) => buffer.byteLength === 0));
  // What a registry in this process keeps stays whole.
  const kept: Bytes[] = [];
  const fetch: FetchHandler = async (request) => {
    const response = await registry(request);
    if (!request.url.includes("/blobs/")) return response;
    const bytes = await response.bytes();
    kept.push(bytes);
    return new Response(ReadableStream.from([bytes]), response);
  };
  const other = new MemoryFolder();
  await pullToFolder("localhost:5000/one:1", other, { fetch });
  assertEquals(other.files, folder.files);
  assert(kept.length > 0 && kept.every(({ length }) => length > 0));
});

test("pullToFolder() adds an image, and fetches and writes no blob twice", async () => {
  const { fetch, seen } = faultLayer(await makeRegistry());
  const folder = new MemoryFolder();
  await pullToFolder("localhost:5000/one:1", folder, { fetch });
  const before = seen.length;
  const events: PullEvent[] = [];
  const onEvent = (event: PullEvent) => void events.push(event);
  await pullToFolder("localhost:5000/two:1", folder, { fetch, onEvent });
  const blobs = seen.slice(before).filter(({ path }) => path.includes("/blobs/"));
  // Config and the layer of its own.
  assertEquals(blobs.length, 2);
  const done = events.flatMap((event) => event.type === "blob-done" ? [event.exists ?? false] : []);
  assertEquals(done.sort(), [false, false, true]);
  const written = folder.written.filter((path) => path.startsWith("blobs/"));
  assertEquals(written.length, new Set(written).size);
  assertEquals(
    indexOf(folder).map(({ annotations }) => annotations?.["io.containerd.image.name"]),
    ["localhost:5000/one:1", "localhost:5000/two:1"],
  );
  await pullToFolder("localhost:5000/one:1", folder, { fetch });
  assertEquals(indexOf(folder).length, 2);
});

test("pullToFolder() gives a name to what it means now, and leaves other entries as they are", async () => {
  const registry = await makeRegistry();
  const folder = new MemoryFolder();
  const other = { digest: `sha256:${"0".repeat(64)}`, size: 1, extra: true };
  const strange = { digest: { toString: 1 } };
  const old = {
    digest: `sha256:${"1".repeat(64)}`,
    annotations: { "io.containerd.image.name": "localhost:5000/one:1" },
  };
  folder.files.set(
    "index.json",
    encode(JSON.stringify({ manifests: [other, strange, old], x: 1 })),
  );
  await pullToFolder("localhost:5000/one:1", folder, { fetch: registry });
  const [first, second, third, ...more] = indexOf(folder);
  assertEquals<unknown>([first, second, more], [other, strange, []]);
  assert(third?.digest !== old.digest);
});

test("pullToFolder() calls images of one tag by their full names, whichever came first", async () => {
  const registry = await makeRegistry();
  const folder = new MemoryFolder();
  const refs = () =>
    indexOf(folder).map(({ annotations }) => annotations?.["org.opencontainers.image.ref.name"]);
  await pullToFolder("localhost:5000/one:1", folder, { fetch: registry });
  assertEquals(refs(), ["1"]);
  await pullToFolder("localhost:5000/two:1", folder, { fetch: registry });
  const names = ["localhost:5000/one:1", "localhost:5000/two:1"];
  assertEquals(refs(), names);
  const again = new MemoryFolder();
  await pullToFolder(names, again, { fetch: registry });
  assertEquals(indexOf(again), indexOf(folder));
});

test("pullToFolder() leaves the folder's images as they are where it fails", async () => {
  const registry = await makeRegistry();
  const folder = new MemoryFolder();
  await pullToFolder("localhost:5000/one:1", folder, { fetch: registry });
  const before = folder.files.get("index.json");
  const { fetch } = faultLayer(
    registry,
    ({ path, number }) =>
      path.includes("/blobs/") && number > 1
        ? { kind: "answer", answer: () => new Response("{}", { status: 404 }) }
        : undefined,
  );
  await assertRejects(
    () => pullToFolder("localhost:5000/two:1", folder, { fetch, retry: { attempts: 1 } }),
    OciError,
  );
  assertEquals([folder.files.get("index.json"), folder.open], [before, 0]);
});

test("pullToFolder() gives up a read that waits where another fails", async () => {
  const registry = await makeRegistry();
  const waiting = Promise.withResolvers<AbortSignal>();
  let blobs = 0;
  const fetch: FetchHandler = async (request) => {
    if (!request.url.includes("/blobs/")) return await registry(request);
    if (++blobs > 1) {
      await waiting.promise;
      return new Response("{}", { status: 404 });
    }
    waiting.resolve(request.signal);
    return await new Promise((_, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason));
    });
  };
  const options = { fetch, retry: { attempts: 1 } };
  const error = await assertRejects(
    () => pullToFolder("localhost:5000/one:1", new MemoryFolder(), options),
    RegistryError,
  );
  assertEquals(error.status, 404);
  // By that failure, and not by its own time limit.
  assertStrictEquals((await waiting.promise).reason, error);
});

const WRONG: [index: string, says: string][] = [
  ["{", "its index.json is no JSON"],
  ["[]", "its index.json has no list of manifests"],
  ['{"name":"app"}', "its index.json has no list of manifests"],
  ['{"manifests":{}}', "its index.json has no list of manifests"],
];

for (const [index, says] of WRONG) {
  test(`pullToFolder() does not write beside an index.json of ${index}`, async () => {
    const folder = new MemoryFolder();
    folder.files.set("index.json", encode(index));
    const fetch = () => Promise.reject(new Error("asked"));
    const error = await assertRejects(
      () => pullToFolder("localhost:5000/one:1", folder, { fetch }),
      OciError,
    );
    assertStringIncludes(error.message, `Cannot write into "layout": ${says}`);
  });
}

test("pullToFolder() adds to a layout that Go began, whose list is null", async () => {
  const folder = new MemoryFolder();
  folder.files.set("index.json", encode('{"schemaVersion":2,"manifests":null}'));
  await pullToFolder("localhost:5000/one:1", folder, { fetch: await makeRegistry() });
  assertEquals(indexOf(folder).length, 1);
});

test("pullToFolder() goes on where it was interrupted, at whatever request", async () => {
  const registry = await makeRegistry();
  let interrupted = 0;
  for (let requests = 0, isDone = false; !isDone; requests++) {
    const folder = new MemoryFolder();
    const over = new AbortController();
    const { fetch, seen } = faultLayer(registry);
    const pull = pullToFolder("localhost:5000/one:1", folder, {
      fetch(request) {
        if (seen.length === requests) over.abort();
        return fetch(request);
      },
      signal: over.signal,
    });
    isDone = await pull.then(() => true, () => false);
    if (!isDone) interrupted++;
    await pullToFolder("localhost:5000/one:1", folder, { fetch: registry });
    assertEquals([indexOf(folder).length, folder.open], [1, 0]);
    assertEquals(folder.written[0], "oci-layout");
    const blobs = folder.written.filter((path) => path.startsWith("blobs/"));
    assertEquals(blobs.length, new Set(blobs).size);
  }
  // At the manifest, the config, and each of two layers.
  assertEquals(interrupted, 4);
});

test("pullToFolder() does not write into a folder with other things", async () => {
  const folder = new MemoryFolder();
  folder.files.set("diary.txt", encode("x"));
  const error = await assertRejects(
    () => pullToFolder("localhost:5000/one:1", folder, {}),
    OciError,
  );
  assertEquals(
    error.message,
    'Cannot write into "layout": it has files and no index.json, expected an OCI layout',
  );
});
