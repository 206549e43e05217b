import { assert, assertEquals } from "@std/assert";
import { digestBytes } from "../../../src/digest.ts";
import type { ArchiveFile } from "../../../src/image/files.ts";
import { findCompressed } from "../../../src/push/compression/inflate_again.ts";
import { resolveOptions } from "../../../src/push/options.ts";
import { repositoryState } from "../../../src/push/repository_state.ts";
import { httpFor } from "../../../src/registry/http/request_options.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { makeLayer } from "../../helpers/archives.ts";
import { test } from "../../helpers/test.ts";

const layer = await makeLayer("a", "gzip");
const { digest } = layer;

/** A repository as a push knows it that has found nothing yet, at a registry where the layer is in `app`. */
async function makeState(repository = "app") {
  const fetch = createRegistry();
  const url = `http://localhost:5000/v2/app/blobs/uploads/?digest=${digest}`;
  const { status } = await fetch(new Request(url, { method: "POST", body: layer.bytes }));
  assertEquals(status, 201);
  const http = httpFor("http://localhost:5000", resolveOptions({ fetch }));
  const holders = new Map();
  return repositoryState(
    { http, repositories: new Map(), holders, all: new Map(), buffers: [] },
    repository,
  );
}

function compressedOf(members: Partial<ArchiveFile>): NonNullable<ArchiveFile["compressed"]> {
  const { bytes } = layer;
  const file: ArchiveFile = {
    path: "layer.tar",
    size: bytes.length,
    peek: () => Promise.resolve(bytes),
    bytes: () => Promise.resolve(bytes),
    ...members,
  };
  return { file, kind: "gzip" };
}

async function inflatedDigest(found: Awaited<ReturnType<typeof findCompressed>>) {
  assert(found);
  return await digestBytes(await new Response(found.open()).bytes());
}

test("findCompressed() inflates what this repository or another one of the registry has", async () => {
  for (const repository of ["app", "other"]) {
    const state = await makeState(repository);
    if (repository === "app") state.blobs.set(digest, "pushed");
    else state.registry.holders.set(digest, "app");
    const found = await findCompressed(state, "layer.tar", compressedOf({ digest }), {});
    assertEquals(await inflatedDigest(found), layer.diffId);
  }
});

test("findCompressed() has what was sent and waits committed first", async () => {
  const state = await makeState();
  state.take = () => Promise.resolve(true);
  const found = await findCompressed(state, "layer.tar", compressedOf({ digest }), {});
  assertEquals([state.blobs.get(digest), await inflatedDigest(found)], ["pushed", layer.diffId]);
});

test("findCompressed() finds nothing of what was not sent, or has no digest yet", async () => {
  for (const members of [{ digest }, {}]) {
    const state = await makeState();
    assertEquals(
      await findCompressed(state, "layer.tar", compressedOf(members), {}),
      undefined,
    );
  }
});
