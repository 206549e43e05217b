import { assertEquals } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import type { ArchiveBlob } from "../../src/image/content.ts";
import { signedDigests } from "../../src/image/signed_digests.ts";
import { PassingFile } from "../../src/archive/passing_file.ts";
import { type Bytes, encode, encodeJson } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";

const SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json";
const DSSE = "application/vnd.dsse.envelope.v1+json";
const [ONE, TWO] = [`sha256:${"1".repeat(64)}`, `sha256:${"2".repeat(64)}`] as const;

function layer(mediaType: string, content: Bytes): ArchiveBlob {
  const file = new PassingFile("layer", content.length, content);
  file.hold(content);
  return { mediaType, size: content.length, file, origin: "named" };
}

function signature(image: unknown): ArchiveBlob {
  return layer(SIMPLE, encodeJson({ critical: { image } }));
}

function attestation(statement: Bytes): ArchiveBlob {
  return layer(DSSE, encodeJson({ payload: btoa(String.fromCharCode(...statement)) }));
}

async function digestsOf(...layers: ArchiveBlob[]) {
  const bytes = encodeJson({ schemaVersion: 2 });
  const digest = await digestBytes(bytes);
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  return await signedDigests({ kind: "manifest", digest, mediaType, bytes, layers });
}

test("signedDigests() reads what a signature and an attestation are about", async () => {
  const subject = [{ digest: { sha256: "2".repeat(64) } }, { digest: "no object" }];
  assertEquals(
    await digestsOf(
      signature({ "docker-manifest-digest": ONE }),
      attestation(encodeJson({ subject })),
    ),
    [ONE, TWO],
  );
});

test("signedDigests() gives none where the content tells nothing", async () => {
  const told = await digestsOf(
    signature({ "docker-manifest-digest": "sha256:short" }),
    signature("no object"),
    layer(SIMPLE, encode("{ is no JSON")),
    attestation(encode("no statement")),
  );
  assertEquals(told, []);
  assertEquals(await digestsOf(attestation(encodeJson({ subject: "no list" }))), []);
  assertEquals(await digestsOf(layer("text/plain", encode("{}"))), []);
  // Every object of JavaScript has a member of that name.
  assertEquals(await digestsOf(layer("constructor", encode("{}"))), []);
});
