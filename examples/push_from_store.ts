// Pushes an archive straight out of an object store (S3, R2, ...). A presigned URL is read by ranges, so that an image
// which is there already costs a few KB:
//   deno run --allow-net push_from_store.ts 'https://bucket.s3.example.com/app.tar?X-Amz-...' registry.lan/app:1.0
// On Bun an object is a source as it is: pushImage(Bun.s3.file("app.tar"), target), once it knows its size (below).
import { type BlobSource, pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost } from "@tarpush/tarpush/runtime";

/** What is used of Bun's S3 files, whose size comes from a request. */
export interface StoredObject {
  stat(): Promise<{ size: number }>;
  slice(start: number, end: number): { stream(): ReadableStream<Uint8Array> };
}

/** An object as a source that is read at any offset. */
export async function storedSource(object: StoredObject): Promise<BlobSource> {
  const { size } = await object.stat();
  return { size, slice: (start, end) => object.slice(start, end) };
}

const [url, target = "localhost:5000/app:1.0"] = currentHost().args;
const { images } = url === undefined
  ? await pushImage(await sample(), target, { fetch: createRegistry() })
  : await pushImage(new URL(url), target);
console.log(images[0]?.digest);

async function sample(): Promise<BlobSource> {
  const fixture = new URL("../tests/fixtures/podman-oci.tar", import.meta.url);
  const blob = await (await fetch(fixture)).blob();
  const stat = () => Promise.resolve({ size: blob.size });
  return await storedSource({ stat, slice: (start, end) => blob.slice(start, end) });
}
