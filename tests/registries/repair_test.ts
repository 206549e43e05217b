import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { PushError } from "../../src/errors.ts";
import { checkImage } from "../../src/pull/check_image.ts";
import { pushImage } from "../../src/push/push.ts";
import { repairImage } from "../../src/push/repair_image.ts";
import { makeImage, makeLayer, OciLayout, randomBytes, toBlob } from "../helpers/archives.ts";
import { runWell } from "../helpers/process.ts";
import { realRegistries, type RealRegistry, startRealRegistry } from "../helpers/real_registry.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const FAST = { retry: { attempts: 2, delay: 1 } };

const layout = new OciLayout();
const layer = await makeLayer(writeTar([{ path: "large", body: randomBytes(200_000) }]));
const image = await layout.image(await makeImage([layer]));
layout.add(image, { ref: "1" });
const tar = toBlob(layout.entries());

/** The file in which distribution keeps some content. */
function fileOf({ folder }: RealRegistry, digest: string): string {
  const hex = digest.slice(7);
  return `${folder}/data/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
}

async function shell(command: string, ...args: string[]): Promise<void> {
  await runWell("sh", ["-euc", command, "sh", ...args]);
}

const FAULTS = [
  { what: "a wrong byte", command: 'printf X | dd of="$1" bs=1 seek=50 conv=notrunc 2>/dev/null' },
  { what: "its end cut off", command: 'head -c 50 "$1" > "$1.cut" && mv "$1.cut" "$1"' },
];

for (const { kind, title, skip } of realRegistries().filter(({ kind }) => kind !== "zot")) {
  for (const isCaching of [false, true]) {
    const remembersManifests = isCaching && kind === "docker-registry";
    const memory = isCaching ? ", with its memory of lengths," : "";
    const options = {
      skip: skip ??
        ("Deno" in globalThis && Deno.build.os === "windows" ? "it needs sh" : undefined),
    };

    test(`${title}${memory} has again what it lost and what a repair sends`, async () => {
      await using server = await startRealRegistry(kind, { isCaching });
      const target = `${server.host}/app:1`;
      await pushImage(tar, target);
      assertEquals((await checkImage(target)).findings, []);
      for (const lost of [[layer.digest], [image.digest], [layer.digest, image.digest]]) {
        for (const digest of lost) await shell('rm "$1"', fileOf(server, digest));
        assertEquals((await checkImage(target, FAST)).ok, false);
        if (remembersManifests && lost.includes(image.digest)) await refuses(server, target);
        const { after, failed } = await repairImage(target, tar, FAST);
        assertEquals([after.ok, failed], [true, []]);
      }
      await shell('rm "$1"', fileOf(server, layer.digest));
      const { bytesUploaded } = await pushImage(tar, target, { ...FAST, force: true });
      assert(bytesUploaded > 200_000);
      assertEquals((await checkImage(target)).ok, true);
    }, options);

    for (const { what, command } of FAULTS) {
      test(`${title}${memory} keeps a blob with ${what} until its file is removed`, async () => {
        await using server = await startRealRegistry(kind, { isCaching });
        const target = `${server.host}/app:1`;
        await pushImage(tar, target);
        const file = fileOf(server, layer.digest);
        await shell(command, file);
        const { ok, findings } = await checkImage(target, FAST);
        assertEquals([ok, findings[0]?.digest], [false, layer.digest]);
        const { after, failed: [failure] } = await repairImage(target, tar, FAST);
        assertEquals([after.ok, failure?.digest], [false, layer.digest]);
        const error = await assertRejects(
          () => pushImage(tar, target, { ...FAST, force: true }),
          PushError,
        );
        // The hint names the file that has to go.
        const path = file.slice(server.folder.length + "/data/".length);
        assertStringIncludes(error.hint ?? "", path);
        await shell('rm "$1"', file);
        assertEquals((await repairImage(target, tar, FAST)).after.ok, true);
      }, options);

      test(`${title}${memory} cannot read a manifest with ${what}, nor replace it`, async () => {
        await using server = await startRealRegistry(kind, { isCaching });
        const target = `${server.host}/app:1`;
        await pushImage(tar, target);
        const file = fileOf(server, image.digest);
        await shell(command, file);
        const { ok, findings } = await checkImage(target, FAST).catch((error) => {
          // distribution answers 500, and there is nothing else to go by.
          assertStringIncludes(error.message, "500");
          return { ok: false, findings: [] };
        });
        assertEquals(ok, false);
        assert(findings.every(({ code }) => code === "wrong-digest" || code === "unreadable"));
        await shell('rm "$1"', file);
        if (remembersManifests) await refuses(server, target);
        assertEquals((await repairImage(target, tar, FAST)).after.ok, true);
      }, options);
    }
  }
}

/** What distribution 2 remembers of a manifest it does not write again, until it is restarted. */
async function refuses(server: RealRegistry, target: string): Promise<void> {
  const { after, failed: [failure] } = await repairImage(target, tar, FAST);
  assertEquals([after.ok, failure?.digest], [false, image.digest]);
  assertStringIncludes(failure?.error.hint ?? "", "restart it");
  await server.kill();
  await server.startAgain();
}
