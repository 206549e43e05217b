import { assert, assertEquals } from "@std/assert";
import { OciError } from "../../src/errors.ts";
import { checkImage } from "../../src/pull/check_image.ts";
import { pullImage } from "../../src/pull/pull.ts";
import { copyImage } from "../../src/push/copy.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import type { RequestOptions } from "../../src/registry/http/request_options.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { halfNoise, makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { type Fault, faultLayer } from "../helpers/fault_layer.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { WatchedStreams } from "../helpers/watched_streams.ts";
import { watchUploads } from "../helpers/watched_uploads.ts";

const SOURCE = "localhost:5000/app:1";
const ARCHIVE = await makeIndex();

async function makeIndex(): Promise<Blob> {
  const layout = new OciLayout();
  const body = halfNoise(3 * 1024 * 1024);
  const large = await makeLayer(writeTar([{ path: "large", body }]));
  const images = [await makeImage(["a", large, "b"]), await makeImage(["c"])];
  const children = await Promise.all(images.map((image) => layout.image(image)));
  layout.add(await layout.indexOf(children), { ref: "1" });
  return toBlob(layout.entries());
}

const WORK: Record<string, (options: RequestOptions) => Promise<unknown>> = {
  "copyImage() within a registry": (options) => copyImage(SOURCE, "localhost:5000/b:1", options),
  "copyImage() to another registry": (options) => copyImage(SOURCE, "localhost:6000/b:1", options),
  "pullImage()": async (options) => {
    for await (const _ of pullImage(SOURCE, options));
  },
  "pullImage() that is given up": async (options) => {
    let pieces = 0;
    for await (const _ of pullImage(SOURCE, options)) if (++pieces > 6) break;
  },
  "checkImage()": (options) => checkImage(SOURCE, options),
};

const FAULTS: Record<string, Fault> = {
  "is refused a connection": { kind: "refuse" },
  "is cut in its answer": { kind: "cut-response", after: 100 },
  "is forbidden": {
    kind: "answer",
    answer: () => Response.json({ errors: [{ code: "DENIED" }] }, { status: 403 }),
  },
};

for (const [name, work] of Object.entries(WORK)) {
  for (const [what, fault] of Object.entries(FAULTS)) {
    test(`${name} leaves no answer unread and no upload open where any request ${what}`, async () => {
      for (let at = 1, isOver = false; !isOver; at++) {
        assert(at < 200, "it has fewer requests");
        const registries = new Map([["5000", createRegistry()], ["6000", createRegistry()]]);
        const network: FetchHandler = async (request) => {
          const registry = registries.get(new URL(request.url).port);
          assert(registry, request.url);
          return await registry(request);
        };
        await pushImage(ARCHIVE, SOURCE, { fetch: network });
        const { fetch, open } = watchUploads(network);
        const layer = faultLayer(fetch, ({ number }) => number === at ? fault : undefined);
        const streams = new WatchedStreams();
        const watched: FetchHandler = async (request) => {
          const response = await layer.fetch(request);
          if (!response.body) return response;
          return new Response(streams.watch(response.body), response);
        };
        const thrown: unknown = await work({ fetch: watched, retry: { attempts: 1 } })
          .then(() => undefined, (error) => error);
        isOver = layer.seen.length < at;
        const { method, path } = layer.seen[at - 1] ?? {};
        const request = `request ${at}, ${method} ${path}: ${thrown}`;
        assert(thrown === undefined || thrown instanceof OciError, request);
        // What is given up is not waited for.
        await new Promise((resolve) => setTimeout(resolve));
        assertEquals(streams.open, 0, `${request}: answers are open`);
        // What a registry may be committing is left alone, and a DELETE that gets no answer ends nothing.
        const isInDoubt = method === "DELETE" || (method === "PUT" && fault.kind === "refuse");
        if (!isInDoubt) assertEquals(await open(), [], `${request}: uploads are open`);
      }
    });
  }
}
