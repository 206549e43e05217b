import { assert, assertEquals } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { OCI_MANIFEST } from "../../src/media_types.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  encodeJson,
  hybridManifest,
  makeImage,
  OciLayout,
  replaceBody,
} from "../helpers/archives.ts";
import type { Registry } from "../helpers/expected.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { type TarWriterEntry, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { fakeHost } from "./fake_host.ts";

/** Clears the screen, sets the title, turns text around: in seven bits, in eight, and in Unicode. */
const NASTY = "\u001b[2J\u001b]0;x\u0007\r\u009b31m\u009d0;y\u009c\u007f\u202egpj\u2066";

const image = await makeImage(["one", "two"], { config: { created: NASTY, author: NASTY } });

/** A docker archive with such names: tags, a layer without a digest in its name, a file beside them. */
const docker = [
  { path: `${NASTY}/notes.txt`, body: "x" },
  ...dockerSave([{ image, repoTags: [NASTY, `app:${NASTY}`, "app:1"] }], {
    layerPath: (_layer, index) => `${index}${NASTY}.tar`,
  }),
];

/** A layout whose names, media types, platforms and annotations are such, with an entry that is not there. */
async function makeLayout(): Promise<OciLayout> {
  const made = new OciLayout();
  const child = await made.image(image);
  const blob = await made.blob(encodeJson([1]), NASTY);
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: NASTY,
    layers: [blob],
  };
  const platform = { os: NASTY, architecture: NASTY };
  const absent = { ...child, digest: `sha256:${"0".repeat(64)}` as const, platform };
  made.add(await made.indexOf([{ ...child, platform, annotations: { [NASTY]: NASTY } }, absent]), {
    name: `docker.io/${NASTY}`,
    ref: NASTY,
  });
  made.add(await made.document(manifest, OCI_MANIFEST), { ref: `a${NASTY}` });
  made.add(absent, { ref: NASTY });
  return made;
}

/** Archives that fail, each with such a name in what is said about it. */
const broken: TarWriterEntry[][] = [
  [{ path: NASTY, body: "x" }],
  replaceBody(docker, "manifest.json", encodeJson([{ Config: NASTY, Layers: [NASTY] }])),
  [{ path: "manifest.json", body: hybridManifest([]) }, { path: NASTY, body: "x", type: "S" }],
  [{ path: "index.json", body: encodeJson({ manifests: [{ digest: NASTY, size: 1 }] }) }],
];

async function outputOf(args: string[], tar: Uint8Array, registry: Registry, isTerminal: boolean) {
  await using folder = await temporaryFolder();
  const path = await folder.write("image.tar", tar);
  const host = fakeHost(args.map((argument) => argument === "TAR" ? path : argument), {
    isTerminal,
    env: { NO_COLOR: "1", TERM: "dumb" },
    overrides: { fetchWith: () => registry },
  });
  const code = await run(host);
  const { stdout, stderr } = host.written;
  return { code, stdout, stderr };
}

const COMMANDS = [
  ["inspect", "TAR"],
  ["inspect", "TAR", "--json"],
  ["check", "TAR"],
  ["check", "TAR", "--json"],
  ["push", "TAR"],
  ["push", "TAR", "localhost:5000/app:1", "--insecure"],
  ["push", "TAR", "localhost:5000/app:1", "--insecure", "--json", "--debug"],
  ["push", "TAR", "localhost:5000", "--insecure", "--image", "#1"],
  ["push", "TAR", "localhost:5000/app", "--insecure", "--all-tags", "--dry-run"],
];

for (const command of COMMANDS) {
  test(`run() ${command.join(" ")} shows no name that a terminal would obey`, async () => {
    for (const entries of [docker, (await makeLayout()).entries(), ...broken]) {
      const tar = writeTar(entries.map((entry) => ({ format: "pax", ...entry })));
      for (const isTerminal of [false, true]) {
        const { code, stdout, stderr } = await outputOf(command, tar, createRegistry(), isTerminal);
        for (const text of [stdout, stderr]) assertHarmless(text, command.join(" "));
        assert(stdout + stderr !== "", `nothing said, exit ${code}`);
        if (command.includes("--json")) JSON.parse(stdout || "{}");
      }
    }
  });
}

test("run() shows no words of a registry that a terminal would obey", async () => {
  const said = { errors: [{ code: NASTY, message: NASTY, detail: NASTY }] };
  const answers: (() => Response)[] = [
    () => Response.json(said, { status: 403 }),
    () => new Response(NASTY, { status: 404, headers: { "content-type": "\u009b31m/x" } }),
    () => Response.json({ tags: [NASTY], repositories: [NASTY] }),
    () => Response.json({ schemaVersion: 2, mediaType: NASTY, config: {} }),
  ];
  const commands = [
    ["ls", "localhost:5000"],
    ["ls", "localhost:5000/app", "--json"],
    ["info", "localhost:5000/app:1"],
    ["info", "localhost:5000/app:1", "--json"],
    ["ping", "localhost:5000"],
    ["rm", "localhost:5000/app:1", "--yes"],
    ["push", "TAR", "localhost:5000/app:1", "--retries", "0"],
  ];
  const tar = writeTar(dockerSave([{ image }]));
  for (const answer of answers) {
    for (const command of commands) {
      const registry: Registry = () => Promise.resolve(answer());
      const { stdout, stderr } = await outputOf([...command, "--insecure"], tar, registry, true);
      const text = `${stdout}${stderr}`;
      assertHarmless(text, command.join(" "));
      assert(text !== "" || command[0] === "ls", command.join(" "));
    }
  }
});

test("run() shows no text of an image in a registry that a terminal would obey", async () => {
  const { blobs, index } = await makeLayout();
  const registry: Registry = ({ url }) => {
    const [, kind, name = ""] = /\/(blobs|manifests)\/([^/]+)$/.exec(new URL(url).pathname) ?? [];
    const entry = index[Number(name)];
    const bytes = blobs.get(`blobs/${(entry?.digest ?? name).replace(":", "/")}`);
    if (!bytes) return Promise.resolve(new Response(null, { status: 404 }));
    const type = kind === "blobs" ? "application/octet-stream" : "";
    return Promise.resolve(new Response(bytes, { headers: { "content-type": type } }));
  };
  const images = [...blobs.keys()].map((path) => `app@sha256:${path.split("/").at(-1)}`);
  let shown = 0;
  for (const image of ["app:0", "app:1", ...images]) {
    for (const command of ["info", "check"]) {
      for (const json of [[], ["--json"]]) {
        const args = [command, `localhost:5000/${image}`, "--insecure", ...json];
        const { code, stdout, stderr } = await outputOf(args, new Uint8Array(0), registry, true);
        if (code === 0) shown++;
        assertHarmless(`${stdout}${stderr}`, args.join(" "));
      }
    }
  }
  assert(shown > 5, `${shown} shown`);
});

function assertHarmless(text: string, message: string): void {
  const found = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u.exec(text.replaceAll("\n", ""))?.[0];
  assertEquals(found, undefined, `${message}: ${JSON.stringify(text)}`);
}
