import type { BlobFile, PreparedImage } from "./archives.ts";
import { measureProcess } from "./measure.ts";

/** Blobs in flight; the same as the default of a push. */
const PARALLEL = "3";

/**
 * Pushes an image that has been taken apart with four curl processes: HEADs of all blobs, POSTs for all of them, PUTs
 * from files, the manifest. That is the least a client has to ask and send, by a program that reads no archive, hashes
 * nothing and checks nothing.
 *
 * @returns The time of the four processes, without what lies between them.
 */
export async function pushWithCurl(image: PreparedImage, host: string): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "tarpush-bench-" });
  try {
    return await push(image, `http://${host}/v2/${image.shape.name}`, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function push(image: PreparedImage, base: string, folder: string): Promise<number> {
  const { blobs, manifest } = image;
  const heads = await curl(
    folder,
    blobs.map(({ digest }) => [
      ["url", `${base}/blobs/${digest}`],
      ["output", "/dev/null"],
    ]),
    ["head"],
  );
  const posts = await curl(
    folder,
    blobs.map(() => [
      ["url", `${base}/blobs/uploads/`],
      ["output", "/dev/null"],
    ]),
    ['request = "POST"', 'write-out = "%header{location}\\n"'],
  );
  const locations = posts.stdout.trim().split("\n");
  const puts = await curl(
    folder,
    blobs.map((blob, index) => {
      const location = new URL(locations[index] ?? "", base);
      location.searchParams.set("digest", blob.digest);
      return upload(location.href, blob);
    }),
    ['header = "Content-Type: application/octet-stream"'],
  );
  const last = await curl(folder, [upload(`${base}/manifests/1`, manifest)], [
    'header = "Content-Type: application/vnd.docker.distribution.manifest.v2+json"',
  ]);
  return [heads, posts, puts, last].reduce((sum, { milliseconds }) => sum + milliseconds, 0);
}

function upload(url: string, { path }: BlobFile): [string, string][] {
  return [["url", url], ["upload-file", path], ["output", "/dev/null"]];
}

// 404 is the answer that HEAD is there for; elsewhere it fails the bench.
async function curl(folder: string, transfers: [string, string][][], options: string[]) {
  const isHead = options.includes("head");
  const lines = transfers.flat().map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const config = `${folder}/curl.conf`;
  // Without "Expect:" curl would wait for leave before each large body.
  await Deno.writeTextFile(
    config,
    ["silent", "show-error", 'header = "Expect:"', ...options, ...lines, ""].join("\n"),
  );
  const fail = isHead ? [] : ["--fail"];
  return await measureProcess(["curl", "-Z", "--parallel-max", PARALLEL, ...fail, "-K", config]);
}
