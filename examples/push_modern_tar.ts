// Pushes the entries of modern-tar's decoder, such as an archive that was changed on the way: an entry needs a path, a
// header and, for a file, a stream of its body.
import { type ImageTarEntry, pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { createTarDecoder } from "modern-tar";

const TYPES: Record<string, string> = { file: "0", link: "1", symlink: "2", directory: "5" };

const { body } = await fetch(new URL("../tests/fixtures/docker20-dup.tar", import.meta.url));
const entries = (body ?? new ReadableStream<Uint8Array<ArrayBuffer>>())
  .pipeThrough(createTarDecoder())
  .pipeThrough(
    new TransformStream<DecodedEntry, ImageTarEntry>({
      transform({ header: { name, size, type = "file", linkname }, body }, controller) {
        const header = { size, typeflag: TYPES[type] ?? "0", ...(linkname ? { linkname } : {}) };
        controller.enqueue({ path: name, header, ...(type === "file" ? { readable: body } : {}) });
      },
    }),
  );
const options = { fetch: createRegistry() };
const { images } = await pushImage({ entries }, "localhost:5000/team/app:1.0", options);
console.log(images[0]?.digest);

/** What their decoder yields. */
interface DecodedEntry {
  header: { name: string; size: number; type?: string; linkname?: string };
  body: ReadableStream<Uint8Array>;
}
