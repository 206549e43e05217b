import { assert, assertEquals } from "@std/assert";
import { makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { cliCommand, runProgram, spawnProcess, temporaryFolder } from "../helpers/process.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { startTcpProxy } from "../helpers/tcp_proxy.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";

const BLOBS = 4;

async function makeArchive(): Promise<Uint8Array> {
  const layout = new OciLayout();
  const large = await makeLayer(writeTar([{ path: "l", body: new Uint8Array(3_000_000).fill(1) }]));
  layout.add(await layout.image(await makeImage(["a", large, "b"])), { ref: "1" });
  return await toBlob(layout.entries()).bytes();
}

for (const { kind, title, skip } of realRegistries()) {
  for (const source of ["image.tar", "-"]) {
    test(
      `tarpush push ${source} to ${title}, killed at several moments, leaves no tag, and a second run sends what is missing`,
      async () => {
        const tar = await makeArchive();
        await using folder = await temporaryFolder();
        await folder.write("image.tar", tar);
        const options = { cwd: folder.path, ...(source === "-" ? { stdin: tar } : {}) };
        await using server = await startRealRegistry(kind);
        const registry = handlerOf(server.host);
        // From the first question to the tag: 4 HEAD, 4 POST, 4 PUT, and the manifest twice.
        for (let last = 1; last <= 3 * BLOBS + 2; last += 2) {
          const reached = Promise.withResolvers<void>();
          await using proxy = await startTcpProxy(server.host, ({ number }) => {
            if (number < last) return undefined;
            reached.resolve();
            // Half of it arrives before the program is gone, and nothing after it.
            return number === last ? { kind: "cut-request", after: 500 } : { kind: "refuse" };
          });
          const first = cliCommand("push", source, `${proxy.host}/app${last}:1`, "--quiet");
          {
            await using child = spawnProcess(first.command, first.args, options);
            await reached.promise;
            child.kill("SIGKILL");
            await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
            await child.exited;
          }
          const tags = (await allTags(registry)).filter((tag) => tag === `app${last}:1`);
          assertEquals(tags, [], `killed at request ${last}, ${proxy.seen.at(-1)?.method}`);
          const there = await countBlobs(server.host, `app${last}`, proxy.seen);

          const reference = `${server.host}/app${last}:1`;
          const { code, stdout, stderr } = await runProgram(
            ["push", source, reference, "--json"],
            options,
          );
          assertEquals(code, 0, stderr);
          const [image] = JSON.parse(stdout).images;
          assertEquals((await readBack(registry, `app${last}`, "1")).digest, image.digest);
          const existing = image.blobs.filter(({ status }: { status: string }) =>
            status === "exists"
          );
          assert(existing.length >= there, `${there} of ${BLOBS} were there, not ${stdout}`);
        }
      },
      { skip },
    );
  }
}

/** How many of the blobs that a killed run asked for stand in the repository. */
async function countBlobs(
  host: string,
  repository: string,
  seen: readonly { method: string; path: string }[],
): Promise<number> {
  const asked = new Set(
    seen.filter(({ method }) => method === "HEAD").map(({ path }) => path.split("/").at(-1)),
  );
  let there = 0;
  for (const digest of asked) {
    const response = await fetch(`http://${host}/v2/${repository}/blobs/${digest}`, {
      method: "HEAD",
    });
    await response.body?.cancel();
    if (response.ok) there++;
  }
  return there;
}
