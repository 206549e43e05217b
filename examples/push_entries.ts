// Pushes the entries of another untar stream. @std/tar comes from JSR; where that cannot be reached, the example uses
// the stream of this package, which has the same interface.
import { type ImageTarEntry, pushImage } from "@tarpush/tarpush";
import { openFile } from "@tarpush/tarpush/runtime";
import { createRegistry } from "@tarpush/tarpush/registry";
import { UntarStream } from "@tarpush/tarpush/tar";

type Untar = new () => TransformStream<Uint8Array, ImageTarEntry>;

async function loadUntar(): Promise<Untar> {
  const name = "@std/tar";
  try {
    return (await import(name)).UntarStream;
  } catch {
    console.log("skipped: @std/tar cannot be loaded here");
    return UntarStream;
  }
}

await using file = await openFile(
  new URL("../tests/fixtures/docker28-single.tar", import.meta.url),
);
const tar: ReadableStream<Uint8Array> = file.slice(0, file.size).stream();
const entries = tar.pipeThrough(new (await loadUntar())());
const { images } = await pushImage({ entries }, "localhost:5000/team/app:1.0", {
  fetch: createRegistry(),
});
console.log(images[0]?.digest);
