import { closedPort } from "../tests/end_to_end/registry_server.ts";
import { temporaryFolder } from "../tests/helpers/process.ts";
import { findProgram } from "../tests/helpers/programs.ts";
import { startServer } from "../tests/helpers/server_process.ts";
import { type PreparedImage, prepareImage } from "./archives.ts";
import { type Contender, contenders } from "./contenders.ts";
import {
  type BenchOptions,
  benchRow,
  formatMebibytes,
  formatSeconds,
  measurePairs,
  measureProcess,
  median,
  warmUp,
} from "./measure.ts";
import { ONE_LARGE } from "./shapes.ts";

/** A pull of 1 GiB by curl, out of an archive that is served, beside one of the same bytes from nginx. */
export async function benchServe(options: BenchOptions): Promise<void> {
  const wanted = contenders().filter(({ name, serve }) =>
    serve && options.isWanted(`serve 1x1024 ${name}`)
  );
  if (wanted.length === 0 || !findProgram("nginx")) return;
  const image = await prepareImage(ONE_LARGE);
  await warmUp([image.tar, ...image.blobs.map(({ path }) => path)]);
  await using nginx = await startNginx(image);
  for (const contender of wanted) {
    await benchRow(
      `serve 1x1024 ${contender.name}`,
      options,
      () => benchContender(contender, image, nginx.url, options.runs),
    );
  }
}

async function benchContender(
  { serve }: Contender,
  image: PreparedImage,
  url: string,
  runs: number,
): Promise<Record<string, string>> {
  const [command = "", ...args] = serve?.(image) ?? [];
  await using server = await startServer(command, args, {
    listening: /Registry on http:\/\/127\.0\.0\.1:(\d+)/,
  });
  const [layer] = image.blobs;
  const blob = `http://127.0.0.1:${server.port}/v2/${image.shape.name}/blobs/${layer?.digest}`;
  const pull = (from: string) => measureProcess(["curl", "-sSf", "-o", "/dev/null", from]);
  const pairs = await measurePairs(runs, () => pull(url), () => pull(blob));
  const ratios = pairs.map(([nginx, ours]) => ours.milliseconds / nginx.milliseconds);
  return {
    time: formatSeconds(median(pairs.map(([, ours]) => ours.milliseconds))),
    nginx: formatSeconds(median(pairs.map(([nginx]) => nginx.milliseconds))),
    "time / nginx": median(ratios).toFixed(2),
    range: `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
    memory: formatMebibytes(await peakOf(server.pid)),
  };
}

/** nginx as it comes, over the layer in a file of its own. */
async function startNginx(image: PreparedImage): Promise<AsyncDisposable & { url: string }> {
  const folder = await temporaryFolder();
  const [layer] = image.blobs;
  const port = (await closedPort()).split(":")[1] ?? "";
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder.path}/${name};`);
  const config = await folder.write(
    "nginx.conf",
    `daemon off; master_process off; pid ${folder.path}/pid; error_log stderr;
events {}
http {
  access_log off; sendfile on; ${temporary.join(" ")}
  server {
    listen 127.0.0.1:${port};
    location = /v2/ { return 200; }
    location = /layer { alias ${layer?.path}; }
  }
}
`,
  );
  const server = await startServer("nginx", ["-c", config, "-e", "stderr"], { port });
  return {
    url: `http://127.0.0.1:${port}/layer`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The largest resident set of a process so far; undefined where the system does not tell. */
async function peakOf(pid: number): Promise<number | undefined> {
  const text = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(text) ?? [];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}
