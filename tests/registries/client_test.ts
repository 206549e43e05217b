import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { RegistryError } from "../../src/errors.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import { isRefusedDeletion } from "../../src/registry/deletion.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { serve } from "../end_to_end/registry_server.ts";
import { encode, encodeJson } from "../helpers/archives.ts";
import { type ProcessResult, runProgram, temporaryFolder, toPath } from "../helpers/process.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { test } from "../helpers/test.ts";

const ROOT = toPath(new URL("../../", import.meta.url));

type Upstream = AsyncDisposable & { host: string };
const upstreams: { title: string; skip: string | undefined; start(): Promise<Upstream> }[] = [
  {
    title: "the embedded registry",
    skip: undefined,
    start: () => serve(createRegistry({ allowDelete: true })),
  },
  ...realRegistries().map(({ kind, title, skip }) => ({
    title,
    skip,
    start: () => startRealRegistry(kind),
  })),
];

/** Pushes an image of one layer under tags, and returns its parts. */
async function pushImage(
  client: RegistryClient,
  name: string,
  tags: readonly string[],
  more: Record<string, unknown> = {},
) {
  const { blobs, manifests } = client.repository(name);
  const config = await blobs.push(encodeJson({
    os: "linux",
    architecture: "amd64",
    config: { Labels: { name } },
    rootfs: { type: "layers", diff_ids: [] },
  }));
  const layer = await blobs.push(encode(`layer of ${name}`.repeat(1000)));
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.size },
    layers: [{ mediaType: OCI_LAYER, digest: layer.digest, size: layer.size }],
    ...more,
  };
  const bytes = encodeJson(manifest);
  const digest = await digestBytes(bytes);
  for (const tag of [digest, ...tags]) await manifests.put(tag, bytes);
  return { digest, size: bytes.length, layer, config, bytes };
}

/** Runs the program itself. */
async function tarpush(line: string): Promise<ProcessResult> {
  return await runProgram(line, { cwd: ROOT });
}

for (const { title, skip, start } of upstreams) {
  test(`tarpush ping, push, ls, info, copy, save and rm work with ${title}`, async () => {
    await using server = await start();
    const { host } = server;
    const ping = await tarpush(`ping ${host}`);
    assertEquals(ping.code, 0, ping.stderr);
    assert(ping.stdout.startsWith(`http://${host} is a registry`), ping.stdout);
    const names = ["team/app:1", "team/app:2", "other:1"].map((name) => `${host}/${name}`);
    const pushed = await tarpush(`push tests/fixtures/docker28-single.tar ${names.join(" ")} -q`);
    assertEquals(pushed.code, 0, pushed.stderr);
    const [, digest = ""] = pushed.stdout.split("\n", 1)[0]?.split("@") ?? [];
    const linesOf = async (target: string) =>
      (await tarpush(`ls ${target}`)).stdout.trimEnd().split("\n").sort();
    assertEquals(await linesOf(host), ["other", "team/app"]);
    assertEquals(await linesOf(`${host}/team/`), ["team/app"]);
    assertEquals(await linesOf(`${host}/team/app`), ["1", "2"]);
    const info = await tarpush(`info ${host}/team/app:1 --json`);
    assertEquals(JSON.parse(info.stdout).digest, digest);
    assertEquals((await tarpush(`info ${host}/team/app@${digest}`)).code, 0);
    const copied = await tarpush(`copy ${host}/other:1 ${host}/copied:1 -q`);
    assertEquals([copied.code, copied.stdout], [0, `${host}/copied:1@${digest}\n`], copied.stderr);
    await using folder = await temporaryFolder();
    const saved = await tarpush(`save ${host}/copied:1 ${folder.path}/image.tar -q`);
    assertEquals([saved.code, saved.stdout], [0, `${host}/copied:1@${digest}\n`], saved.stderr);
    const again = await tarpush(`push ${folder.path}/image.tar ${host}/again:1 -q`);
    assertEquals([again.code, again.stdout], [0, `${host}/again:1@${digest}\n`], again.stderr);
    assertEquals((await tarpush(`check ${folder.path}/image.tar`)).code, 0);

    const byTag = await tarpush(`rm ${host}/team/app:1`);
    if (byTag.code === 0) assertEquals(await linesOf(`${host}/team/app`), ["2"], byTag.stderr);
    else {
      // distribution 2 deletes by digest only: what goes with it is named, and nothing is gone yet.
      assertEquals([byTag.code, byTag.stdout], [2, ""], byTag.stderr);
      assertStringIncludes(byTag.stderr, "removes these tags too:\n  2\n");
      assertEquals(await linesOf(`${host}/team/app`), ["1", "2"]);
    }
    const rest = await tarpush(`rm ${host}/team/app@${digest} --yes`);
    assertEquals(rest.code, 0, rest.stderr);
    assertStringIncludes(rest.stdout, `${host}/team/app:2@${digest}\n`);
    const gone = await tarpush(`info ${host}/team/app:2`);
    assertEquals([gone.code, gone.stdout], [1, ""]);
    assertStringIncludes(gone.stderr, "the repository has no such manifest");
    assertEquals(
      (await tarpush(`info ${host}/other:1`)).code,
      0,
      "another repository is left alone",
    );
    const missing = await tarpush(`ls ${host}/none`);
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, "the registry has no such repository");
  }, { skip });

  test(`RegistryClient pings ${title} and lists what it has`, async () => {
    await using server = await start();
    await using client = new RegistryClient(server.host);
    const { state, status } = await client.ping();
    assertEquals([state, status], ["registry", 200]);
    assertEquals(await Array.fromAsync(client.repositories()), []);
    const tags = Array.from({ length: 25 }, (_, index) => `v${index}`);
    await pushImage(client, "team/app", tags);
    for (const name of ["a", "b/c"]) await pushImage(client, name, ["1"]);
    assertEquals((await Array.fromAsync(client.repositories())).sort(), ["a", "b/c", "team/app"]);
    assertEquals((await Array.fromAsync(client.repository("team/app").tags())).sort(), tags.sort());
    const pages = { pageSize: 2 };
    assertEquals((await Array.fromAsync(client.repositories(pages))).sort(), [
      "a",
      "b/c",
      "team/app",
    ]);
    const paged = await Array.fromAsync(client.repository("team/app").tags(pages));
    assertEquals(paged.sort(), tags);
    const missing = () => Array.fromAsync(client.repository("none").tags());
    assertEquals((await assertRejects(missing, RegistryError)).status, 404);
  }, { skip });

  test(`RegistryClient reads images and parts of blobs from ${title}`, async () => {
    await using server = await start();
    await using client = new RegistryClient(server.host);
    const { digest, size, layer, config, bytes } = await pushImage(client, "team/app", ["1"]);
    const repository = client.repository("team/app");
    assertEquals(await repository.manifests.head("1"), { digest, mediaType: OCI_MANIFEST, size });
    assertEquals((await repository.manifests.get(digest)).bytes, bytes);
    const info = await repository.image("1");
    assertEquals([info.kind, info.digest, info.labels], ["image", digest, { name: "team/app" }]);
    assertEquals(info.size, size + config.size + layer.size);
    const text = "layer of team/app".repeat(1000);
    const read = async (part: { start?: number; end?: number }) => {
      const content = await repository.blobs.get(layer.digest, part);
      return [content.size, await new Response(content.body).text()];
    };
    assertEquals(await read({}), [layer.size, text]);
    assertEquals(await read({ start: 10, end: 5000 }), [4990, text.slice(10, 5000)]);
    assertEquals(await read({ start: 16_990 }), [layer.size - 16_990, text.slice(16_990)]);
    const index = {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [{ mediaType: OCI_MANIFEST, digest, size }],
    };
    await repository.manifests.put("all", index);
    const { kind, entries } = await repository.image("all");
    assertEquals([kind, entries[0]?.platform], ["index", { os: "linux", architecture: "amd64" }]);
    const missing = () => repository.image("none");
    const error = await assertRejects(
      missing,
      RegistryError,
      "the repository has no such manifest",
    );
    assertEquals(error.status, 404);
  }, { skip });

  test(`RegistryClient mounts blobs and streams them into ${title}`, async () => {
    await using server = await start();
    await using client = new RegistryClient(server.host);
    const { layer } = await pushImage(client, "from", ["1"]);
    const { blobs } = client.repository("to");
    assertEquals(await blobs.mount(layer.digest, "from"), true);
    assertEquals(await blobs.head(layer.digest), { size: layer.size });
    const streamed = await blobs.push(new Blob(["streamed"]).stream());
    assertEquals(streamed.digest, await digestBytes(encode("streamed")));
    assertEquals(await blobs.head(streamed.digest), { size: 8 });
    assertEquals((await blobs.push(encode("streamed"))).status, "exists");
  }, { skip: title === "zot" ? "zot mounts nothing as it is started here" : skip });

  test(`RegistryClient deletes tags, digests and blobs from ${title}`, async () => {
    await using server = await start();
    await using client = new RegistryClient(server.host);
    const { digest, layer } = await pushImage(client, "team/app", ["1", "2", "3"]);
    const other = await pushImage(client, "team/app", ["other"], { annotations: { other: "1" } });
    const { manifests, blobs } = client.repository("team/app");
    const tags = async () => (await Array.fromAsync(client.repository("team/app").tags())).sort();
    assertEquals((await manifests.tags(digest)).sort(), ["1", "2", "3"]);
    // distribution 2 deletes by digest only.
    const deletesTags = await manifests.delete("1").then(() => true, (error) => {
      assert(isRefusedDeletion(error), `${error}`);
      return false;
    });
    assertEquals(await tags(), deletesTags ? ["2", "3", "other"] : ["1", "2", "3", "other"]);
    await manifests.delete(digest);
    assertEquals(await tags(), ["other"]);
    assertEquals((await manifests.get("other")).digest, other.digest);
    const again = () => manifests.delete(digest);
    assertEquals((await assertRejects(again, RegistryError)).status, 404);
    await manifests.delete(other.digest);
    await blobs.delete(layer.digest);
    assertEquals(await blobs.head(layer.digest), undefined);
  }, { skip });

  test(
    `RegistryClient lists referrers of ${title}, by its API or the tag in its place`,
    async () => {
      await using server = await start();
      await using client = new RegistryClient(server.host);
      const repository = client.repository("team/app");
      const { digest, size } = await pushImage(client, "team/app", ["1"]);
      assertEquals(await Array.fromAsync(repository.referrers(digest)), []);
      const subject = { mediaType: OCI_MANIFEST, digest, size };
      for (const artifactType of ["application/x-one", "application/x-two"]) {
        await pushImage(client, "team/app", [], { subject, artifactType });
      }
      const types = async (artifactType?: string) =>
        (await Array.fromAsync(repository.referrers(digest, { artifactType })))
          .map((descriptor) => descriptor.artifactType).sort();
      assertEquals(await types(), ["application/x-one", "application/x-two"]);
      assertEquals(await types("application/x-two"), ["application/x-two"]);
      assertEquals(await types("application/x-none"), []);
    },
    { skip },
  );
}
