import { assert, assertEquals } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import type { Digest } from "../../src/digest.ts";
import { OCI_MANIFEST } from "../../src/media_types.ts";
import { openFile } from "../../src/runtime/mod.ts";
import { fakeHost } from "../cli/fake_host.ts";
import {
  type Bytes,
  dockerSave,
  type MadeLayer,
  makeImage,
  makeLayer,
  OciLayout,
  withPlatform,
} from "../helpers/archives.ts";
import { archiveDigests, hasManifest, readBack, type Registry } from "../helpers/expected.ts";
import { runProgram, type TemporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { startTcpProxy } from "../helpers/tcp_proxy.ts";
import type { RunningPlace } from "./places.ts";

/** Above nginx's limit of 1 MiB, and above what is sent from memory. */
const LARGE_BYTES = 3 * 1024 * 1024;
/** More than what `crane registry serve` lists at a time. */
const MANY_TAGS = 1_100;

const large = await largeLayer(7);

/** An archive without a manifest of its own. */
const docker = await dockerArchive("a", large);
/** Another one. */
const other = await dockerArchive("other");
/** Archives that nothing else is pushed of: some registries share blobs between repositories. */
const broken = {
  file: await dockerArchive(await largeLayer(8)),
  pipe: await dockerArchive(await largeLayer(9)),
};

/** An archive with an index of OCI manifests. */
const index = await (async () => {
  const layout = new OciLayout();
  const children = [];
  for (const platform of ["linux/amd64", "linux/arm64"]) {
    const image = await makeImage([platform, large], { platform });
    children.push(withPlatform(await layout.image(image), platform));
  }
  const { digest, ...descriptor } = await layout.indexOf(children);
  layout.add({ ...descriptor, digest }, { ref: "1" });
  return { digest, tar: writeTar(layout.entries()) };
})();

async function largeLayer(filling: number): Promise<MadeLayer> {
  return await makeLayer(new Uint8Array(LARGE_BYTES).fill(filling));
}

async function dockerArchive(
  ...layers: (MadeLayer | string)[]
): Promise<{ config: Digest; tar: Bytes }> {
  const image = await makeImage(layers);
  return { config: image.configDigest, tar: writeTar(dockerSave([{ image }])) };
}

/** What a command left. */
export interface Ran {
  code: number;
  stdout: string;
  bytes: Bytes;
  stderr: string;
}

/** What a step works with. */
export interface Bench {
  readonly place: RunningPlace;
  readonly folder: TemporaryFolder;
  /** PEM of the authority that vouches for the place, in a file. */
  readonly ca: string;
  /** What is saved, copied, shown and removed. */
  readonly subject: "index" | "docker";
  /** Options of each push. */
  readonly pushArgs: readonly string[];
}

/** What people do with a registry, each step on what the steps before have left. */
export const STEPS = {
  "ping": async (bench) => {
    await succeed(bench, ["ping", bench.place.address]);
  },
  ...pushSteps("file"),
  ...pushSteps("pipe"),
  "save to a file": async (bench) => {
    const tar = `${bench.folder.path}/saved.tar`;
    await succeed(bench, ["save", subjectOf(bench), tar]);
    await succeed(bench, ["check", tar]);
    await using file = await openFile(tar);
    if (bench.subject === "index") assertEquals(await archiveDigests(file), [index.digest]);
  },
  "save to a pipe": async (bench) => {
    const { bytes } = await succeed(bench, ["save", subjectOf(bench), "-"]);
    await succeed(bench, ["check", "-"], bytes);
  },
  "copy": async (bench) => {
    await succeed(bench, ["copy", subjectOf(bench), nameOf(bench, "copied:1")]);
    assertEquals(await digestOf(bench, "copied"), await digestOf(bench, `file/${bench.subject}`));
  },
  "copy again": async (bench) => {
    const args = ["copy", subjectOf(bench), nameOf(bench, "copied:1"), "--json"];
    assertEquals(JSON.parse((await succeed(bench, args)).stdout).bytesUploaded, 0);
  },
  "ls of the registry": async (bench) => {
    const { stdout } = await succeed(bench, ["ls", bench.place.address]);
    assert(stdout.split("\n").includes(`file/${bench.subject}`), stdout);
  },
  "ls of a repository": async (bench) => {
    const { stdout } = await succeed(bench, ["ls", nameOf(bench, `file/${bench.subject}`)]);
    assertEquals(stdout, "1\n");
  },
  "info": async (bench) => {
    const { stdout } = await succeed(bench, ["info", subjectOf(bench), "--json"]);
    assertEquals(JSON.parse(stdout).digest, await digestOf(bench, `file/${bench.subject}`));
  },
  "push another image over one": async (bench) => {
    await pushOf(bench, "file", other.tar, "pipe/docker:1");
    await assertDocker(bench, "pipe/docker", other.config);
  },
  "rm": async (bench) => {
    await succeed(bench, ["rm", subjectOf(bench), "--yes"]);
    const { registry } = bench.place;
    assert(!await hasManifest(registry, `file/${bench.subject}`, "1"), "the tag is still there");
  },
} satisfies Record<string, Step>;

/** Steps for places where something breaks or is long. */
export const MORE_STEPS = {
  "push from a file over a line that breaks": (bench) => pushOverBrokenLine(bench, "file"),
  "push from a pipe over a line that breaks": (bench) => pushOverBrokenLine(bench, "pipe"),
  "ls of many tags": async (bench) => {
    const names = Array.from({ length: MANY_TAGS }, (_, number) => `v${number}`).sort();
    await putTags(bench.place.host, "many/tags", names);
    const { stdout } = await succeed(bench, ["ls", nameOf(bench, "many/tags")]);
    const listed = stdout.trimEnd().split("\n").sort();
    assertEquals([listed.length, listed.join() === names.join()], [MANY_TAGS, true]);
  },
} satisfies Record<string, Step>;

/** Does something and checks what came of it; fails with the message of the program. */
export type Step = (bench: Bench) => Promise<void>;

/** The name of a step. */
export type StepName = keyof typeof STEPS | keyof typeof MORE_STEPS;

/** What a push of the steps leaves, for a registry that takes none. */
export async function fillRegistry(registry: Registry): Promise<void> {
  for (const source of ["file", "pipe"]) {
    for (const [name, { tar }] of Object.entries({ docker, index })) {
      const host = fakeHost(
        ["push", "-", `localhost/${source}/${name}:1`, "--insecure", "--plain-http"],
        { stdin: tar, overrides: { fetchWith: () => registry } },
      );
      assertEquals(await run(host), 0, host.written.stderr);
    }
  }
}

type Source = "file" | "pipe";

function pushSteps<S extends Source>(source: S) {
  const steps = {
    [`push a docker archive from a ${source}`]: async (bench) => {
      await pushOf(bench, source, docker.tar, `${source}/docker:1`);
      await assertDocker(bench, `${source}/docker`, docker.config);
    },
    [`push a docker archive from a ${source} again`]: async (bench) => {
      const result = await pushOf(bench, source, docker.tar, `${source}/docker:1`);
      assertEquals(result.bytesUploaded, 0);
    },
    [`push an index from a ${source}`]: async (bench) => {
      await pushOf(bench, source, index.tar, `${source}/index:1`);
      await assertIndex(bench, `${source}/index`);
    },
    [`push an index from a ${source} again`]: async (bench) => {
      const result = await pushOf(bench, source, index.tar, `${source}/index:1`);
      assertEquals(result.bytesUploaded, 0);
    },
  } satisfies Record<string, Step>;
  return steps as Record<
    `push ${"a docker archive" | "an index"} from a ${S}${"" | " again"}`,
    Step
  >;
}

async function pushOf(
  bench: Bench,
  source: Source,
  tar: Bytes,
  name: string,
): Promise<{ bytesUploaded: number }> {
  const path = source === "file" ? await bench.folder.write("image.tar", tar) : "-";
  const stdin = source === "pipe" ? tar : undefined;
  const args = ["push", path, nameOf(bench, name), "--json", ...bench.pushArgs];
  const { stdout } = await succeed(bench, args, stdin);
  return JSON.parse(stdout);
}

async function pushOverBrokenLine(bench: Bench, source: Source): Promise<void> {
  let isCut = false;
  await using proxy = await startTcpProxy(bench.place.host, ({ method, path }) => {
    if (isCut || !/^P(UT|ATCH)$/.test(method) || !path.includes("/blobs/")) return undefined;
    isCut = true;
    return { kind: "cut-request", after: 1000 };
  });
  const place = { ...bench.place, address: proxy.host };
  await pushOf({ ...bench, place }, source, broken[source].tar, `broken/${source}:1`);
  assert(isCut, "nothing was sent");
  await assertDocker(bench, `broken/${source}`, broken[source].config);
}

async function assertDocker({ place }: Bench, repository: string, config: Digest): Promise<void> {
  assertEquals((await readBack(place.registry, repository, "1")).config?.digest, config);
}

async function assertIndex({ place }: Bench, repository: string): Promise<void> {
  assertEquals((await readBack(place.registry, repository, "1")).digest, index.digest);
}

async function digestOf({ place }: Bench, repository: string): Promise<Digest> {
  return (await readBack(place.registry, repository, "1")).digest;
}

/** Tags one manifest many times, past the program; for a registry that looks into none. */
async function putTags(host: string, repository: string, tags: readonly string[]): Promise<void> {
  const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, layers: [] });
  for (let at = 0; at < tags.length; at += 50) {
    await Promise.all(
      tags.slice(at, at + 50).map(async (tag) => {
        const response = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, {
          method: "PUT",
          headers: { "Content-Type": OCI_MANIFEST },
          body,
        });
        assertEquals(response.status, 201, await response.text());
      }),
    );
  }
}

function subjectOf(bench: Bench): string {
  return nameOf(bench, `file/${bench.subject}:1`);
}

function nameOf({ place }: Bench, name: string): string {
  return `${place.address}/${name}`;
}

/** Runs the program, which must end well; fails with what it says. */
async function succeed(bench: Bench, args: readonly string[], stdin?: Bytes): Promise<Ran> {
  const ran = await tarpush(bench, args, stdin);
  if (ran.code === 0) return ran;
  throw new Error(`exit ${ran.code}: ${ran.stderr.slice(ran.stderr.indexOf("tarpush: "))}`);
}

/** In this process, for speed; in one of its own where a certificate has to be trusted. */
async function tarpush({ place, ca }: Bench, args: readonly string[], stdin?: Bytes): Promise<Ran> {
  if (place.isSecure) {
    const trust = args[0] === "check" ? [] : ["--ca", ca];
    const { stdoutBytes, ...ran } = await runProgram([...args, ...trust], { stdin });
    return { ...ran, bytes: new Uint8Array(stdoutBytes) };
  }
  const host = fakeHost(args, stdin && { stdin });
  const code = await run(host);
  const { stdout, stderr, bytes } = host.written;
  return { code, stdout, stderr, bytes: await new Blob(bytes as BlobPart[]).bytes() };
}
