import {
  type MadeLayer,
  makeImage,
  makeLayer,
  OciLayout,
  randomBytes,
  toBlob,
} from "../tests/helpers/archives.ts";
import { writeTar } from "../tests/helpers/tar_writer.ts";

/** What many archives are like. */
export interface ManyShape {
  count: number;
  /** Layers that all archives hold, and the bytes of each. */
  shared: { layers: number; bytes: number };
  /** The same of layers that one archive alone holds. */
  own: { layers: number; bytes: number };
}

/** Writes archives, OCI layouts with full names, into a folder; returns their paths. */
export async function writeArchives(folder: string, shape: ManyShape): Promise<string[]> {
  const shared = await makeLayers("shared", shape.shared);
  const paths: string[] = [];
  for (let at = 0; at < shape.count; at++) {
    const name = `app${String(at).padStart(4, "0")}`;
    const image = await makeImage([...shared, ...await makeLayers(name, shape.own)]);
    const layout = new OciLayout();
    layout.add(await layout.image(image), { name: `docker.io/many/${name}:1`, ref: "1" });
    const path = `${folder}/${name}.tar`;
    await Deno.writeFile(path, toBlob(layout.entries()).stream());
    paths.push(path);
  }
  return paths;
}

function makeLayers(
  name: string,
  { layers, bytes }: { layers: number; bytes: number },
): Promise<MadeLayer[]> {
  return Promise.all(
    Array.from(
      { length: layers },
      (_, at) => makeLayer(writeTar([{ path: `${name}-${at}`, body: randomBytes(bytes) }])),
    ),
  );
}
