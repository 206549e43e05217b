import { assert, assertEquals } from "@std/assert";
import { openArchives } from "../../src/archive/served/open_archives.ts";
import { digestBytes, parseDigest } from "../../src/digest.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { serve } from "../end_to_end/registry_server.ts";
import { FIXTURES, readBack, readFixtureTar } from "../helpers/expected.ts";
import { repositoryOf } from "../helpers/own_names.ts";
import { runProcess, runWell, temporaryFolder } from "../helpers/process.ts";
import { optionalProgram, requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";
import { podmanSkip, runPodman } from "./podman.ts";
import { handlerOf } from "./read_registry.ts";
import { assertSkopeoReads, skopeo } from "./skopeo.ts";

// Programs that pull from archives that are served, and have no code in common with this project.

/** A socket over archives of tests/fixtures, each by its file's name where it has none itself. */
async function serveFixtures(...names: string[]) {
  const archives = await Promise.all(names.map(async (name) => ({
    source: new Blob([await readFixtureTar(name)]),
    name: `${repositoryOf(name)}.tar`,
  })));
  const { storage, images } = await openArchives(archives);
  const tagged = images.filter(({ name }) => name.includes(":"));
  assert(tagged.length > 0, `${names} have no image with a tag`);
  const server = await serve(createRegistry({ storage }));
  return {
    host: server.host,
    images: tagged,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Runs a program that has to succeed; returns what it prints. */
async function run({ path }: { path: string }, ...args: string[]): Promise<string> {
  return (await runWell(path, args)).trim();
}

/** The digest under which a registry has a name. */
async function digestOf(host: string, name: string): Promise<string> {
  const [repository, tag] = name.split(":");
  const response = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`);
  await response.body?.cancel();
  return response.headers.get("Docker-Content-Digest") ?? "";
}

/** Archives of every producer; what of them is no image, or not whole, is no program's to pull. */
const WHOLE = [...FIXTURES.keys()].filter((name) =>
  !/^(ctr-export-platform|oras-artifact)/.test(name)
);

test("skopeo pulls from every archive that is served", async () => {
  await using folder = await temporaryFolder();
  for (const name of WHOLE) {
    await using server = await serveFixtures(name);
    for (const [at, image] of server.images.entries()) {
      const [repository = "", tag = ""] = image.name.split(":");
      const read = await readBack(handlerOf(server.host), repository, tag);
      await assertSkopeoReads(`${server.host}/${image.name}`, folder, `${name}-${at}`, read);
    }
  }
}, { skip: skopeo.skip });

const crane = requireProgram("crane");

test("crane pulls and lists what is served", async () => {
  await using folder = await temporaryFolder();
  await using server = await serveFixtures(
    "docker20-multiimage.tar",
    "docker29-attested.tar",
    "crane-pull.tar",
  );
  const { host } = server;
  const catalog = await run(crane, "catalog", "--insecure", host);
  assertEquals(
    catalog.split("\n").sort(),
    [...new Set(server.images.map(({ name }) => name.split(":")[0]))].sort() as string[],
  );
  for (const { name } of server.images) {
    assertEquals(
      await run(crane, "digest", "--insecure", `${host}/${name}`),
      await digestOf(host, name),
    );
    await run(crane, "pull", "--insecure", `${host}/${name}`, `${folder.path}/x.tar`);
  }
}, { skip: crane.skip });

const regctl = requireProgram("regctl");

test("regctl copies an index, its attestations and referrers from what is served", async () => {
  await using folder = await temporaryFolder();
  await using server = await serveFixtures("docker29-attested.tar", "buildx-oci-zstd.tar");
  const { host } = server;
  const config = await folder.write(
    "config.json",
    JSON.stringify({ hosts: { [host]: { tls: "disabled", hostname: host } } }),
  );
  for (const [at, { name }] of server.images.entries()) {
    await runWell(
      regctl.path,
      ["image", "copy", "--referrers", `${host}/${name}`, `ocidir://${folder.path}/${at}:x`],
      { env: { REGCTL_CONFIG: config } },
    );
    const index = JSON.parse(new TextDecoder().decode(await folder.read(`${at}/index.json`)));
    const digests = index.manifests.map(({ digest }: { digest: string }) => digest);
    assert(digests.includes(await digestOf(host, name)), name);
  }
}, { skip: regctl.skip });

const oras = optionalProgram("oras");

test("oras pulls an artifact that is served", async () => {
  await using folder = await temporaryFolder();
  await using server = await serveFixtures("oras-artifact.tar");
  const [image] = server.images;
  const reference = `${server.host}/${image?.name}`;
  const manifest = await run(oras, "manifest", "fetch", "--plain-http", reference);
  assertEquals(JSON.parse(manifest).schemaVersion, 2);
  await run(
    oras,
    "copy",
    "--from-plain-http",
    "--to-oci-layout",
    "-r",
    reference,
    `${folder.path}/out:x`,
  );
}, { skip: oras.skip });

test("podman pulls an image that is served", async () => {
  await using folder = await temporaryFolder();
  await using server = await serveFixtures("docker20-single.tar", "podman-oci.tar");
  for (const { name } of server.images) {
    const reference = `${server.host}/${name}`;
    await runPodman(folder, "pull", "--quiet", "--tls-verify=false", reference);
    const id = await runPodman(folder, "image", "inspect", "--format", "{{.Id}}", reference);
    const [repository = "", tag = ""] = name.split(":");
    const { config } = await readBack(handlerOf(server.host), repository, tag);
    assertEquals(`sha256:${id.trim()}`, config?.digest);
  }
}, { skip: podmanSkip });

const curl = requireProgram("curl");

test("curl asks as containerd asks a mirror, and goes on where it broke off", async () => {
  await using folder = await temporaryFolder();
  await using server = await serveFixtures("docker28-single.tar");
  const [name = ""] = server.images.map(({ name }) => name.split(":")[0]);
  const base = `http://${server.host}/v2/${name}`;
  const get = (path: string) => run(curl, "-sSf", `${base}/${path}`);
  const manifest = JSON.parse(await get("manifests/1?ns=docker.io"));
  const { code } = await runProcess(curl.path, ["-sSf", `${base}/manifests/1?ns=ghcr.io`]);
  assertEquals(code, 22);
  const [{ digest, size }] = manifest.layers.sort((a: { size: number }, b: { size: number }) =>
    b.size - a.size
  );
  const file = await folder.write("layer", "");
  const blob = `${base}/blobs/${parseDigest(digest)}?ns=docker.io`;
  await run(curl, "-sSf", "-r", `0-${size >> 1}`, "-o", file, blob);
  await run(curl, "-sSf", "-C", "-", "-o", file, blob);
  assertEquals(await digestBytes(new Uint8Array(await folder.read("layer"))), digest);
}, { skip: curl.skip });
