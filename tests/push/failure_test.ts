import { assert, assertEquals } from "@std/assert";
import { OciError } from "../../src/errors.ts";
import type { PushOptions } from "../../src/push/options.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { type Fault, faultLayer } from "../helpers/fault_layer.ts";
import { keepEncoders } from "../helpers/kept_encoders.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { WatchedStreams } from "../helpers/watched_streams.ts";
import { watchUploads } from "../helpers/watched_uploads.ts";

const MEMORY_BUDGET = 1024 * 1024;
/** More than is held of a pipe, so that it is sent as it passes. */
const large = await makeLayer(writeTar([{ path: "large", body: new Uint8Array(MEMORY_BUDGET) }]));
const IMAGE = await makeImage(["a", large, "b"]);
const DOCKER = toBlob(dockerSave([{ image: IMAGE, repoTags: ["team/app:1"] }]));
const BASE = toBlob(dockerSave([{ image: await makeImage(["b"]), repoTags: ["base:1"] }]));
const APP = "localhost:5000/team/app:1";

async function makeIndex(): Promise<Blob> {
  const layout = new OciLayout();
  const children = [await layout.image(IMAGE), await layout.image(await makeImage(["c"]))];
  layout.add(await layout.indexOf(children), { ref: "1" });
  return toBlob(layout.entries());
}

const INDEX = await makeIndex();

interface Case {
  source: Blob;
  targets?: string[];
  options?: PushOptions;
}

const CASES: Record<string, Case> = {
  "a docker archive": { source: DOCKER },
  "a docker archive, mounted in part": { source: DOCKER, options: { mountFrom: ["no", "base"] } },
  "a docker archive, by force": { source: DOCKER, options: { force: true } },
  "a docker archive, compressed": { source: DOCKER, options: { compression: "gzip" } },
  "a docker archive, compressed and mounted in part": {
    source: DOCKER,
    options: { compression: "gzip", mountFrom: ["no", "base"] },
  },
  "a docker archive in chunks": { source: DOCKER, options: { chunkSize: 400_000 } },
  "one image of several": { source: DOCKER, options: { images: ["team/app:1"] } },
  "an index": { source: INDEX },
  "an archive for two repositories": {
    source: DOCKER,
    targets: [APP, "localhost:5000/team/other:1"],
  },
};

const FAULTS: Record<string, Fault> = {
  "is refused a connection": { kind: "refuse" },
  "is forbidden": {
    kind: "answer",
    answer: () => Response.json({ errors: [{ code: "DENIED" }] }, { status: 403 }),
  },
  "is answered with a page": {
    kind: "answer",
    answer: () => new Response("<h1>Sign in", { headers: { "content-type": "text/html" } }),
  },
};

for (const [name, { source, targets = [APP], options }] of Object.entries(CASES)) {
  for (const isPipe of [false, true]) {
    for (const [what, fault] of Object.entries(FAULTS)) {
      test(`pushImage() of ${name}${isPipe ? " that passes" : ""} leaves nothing behind where any request ${what}`, async () => {
        await using _encoders = options?.compression && await keepEncoders();
        for (let at = 1, isOver = false; !isOver; at++) {
          assert(at < 200, "a push has fewer requests");
          const registry = createRegistry();
          await pushImage(BASE, "localhost:5000/base:1", { fetch: registry });
          const { fetch, open } = watchUploads(registry);
          const layer = faultLayer(fetch, ({ number }) => number === at ? fault : undefined);
          let late = 0;
          let isSettled = false;
          const handler: FetchHandler = (request) => {
            if (isSettled) late++;
            return layer.fetch(request);
          };
          const streams = new WatchedStreams();
          const given = isPipe ? streams.watch(source.stream()) : streams.source(source);
          const thrown: unknown = await pushImage(given, targets, {
            ...options,
            fetch: handler,
            memoryBudget: MEMORY_BUDGET,
            retry: { attempts: 1 },
          }).then(() => undefined, (error) => error);
          isSettled = true;
          isOver = layer.seen.length < at;
          const { method, path, query } = layer.seen[at - 1] ?? {};
          const request = `request ${at}, ${method} ${path}: ${thrown}`;
          assert(thrown === undefined || thrown instanceof OciError, request);
          // Without a mount a blob is sent.
          if (query?.has("mount")) assertEquals(thrown, undefined, request);
          // What a registry may be committing is left alone, and a DELETE that gets no answer ends nothing.
          const isInDoubt = method === "DELETE" || (method === "PUT" && fault.kind === "refuse");
          if (!isInDoubt) assertEquals(await open(), [], `${request}: uploads are open`);
          assertEquals(streams.open, 0, `${request}: streams are open`);
          const tags = await allTags(registry);
          for (const tag of tags) {
            await readBack(registry, ...tag.split(":") as [string, string]);
          }
          if (thrown === undefined) {
            const names = targets.map((target) => target.replace("localhost:5000/", ""));
            assert(names.every((name) => tags.includes(name)), request);
          }
          assertEquals(late, 0, `${request}: requests after the end`);
        }
      });
    }
  }
}
