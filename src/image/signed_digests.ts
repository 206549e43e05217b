import { type Digest, toDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { isJsonObject, MAX_MANIFEST_BYTES, readJsonObject } from "../media_types.ts";
import { type ArchiveBlob, type ManifestNode, parseJsonObject } from "./content.ts";

/** What cosign signs (its specification, "Simple signing"). */
const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
/** What it wraps attestations in (DSSE, with a statement of in-toto as payload). */
const DSSE_ENVELOPE = "application/vnd.dsse.envelope.v1+json";
/** Signatures of one image: each is a layer, and all are about the same. */
const MAX_READ = 4;

/**
 * The images that a signature or an attestation of cosign says it is about.
 *
 * @returns Their digests; none where its content tells nothing, or is not there.
 */
export async function signedDigests(manifest: ManifestNode): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (const layer of manifest.layers.slice(0, MAX_READ)) digests.push(...await readLayer(layer));
  return digests;
}

async function readLayer({ mediaType, file }: ArchiveBlob): Promise<Digest[]> {
  const digestsOf = READERS.get(mediaType);
  if (!file || !digestsOf) return [];
  try {
    return digestsOf(parseJsonObject(file, await file.bytes(MAX_MANIFEST_BYTES)));
  } catch (error) {
    // It is pushed as it is, whatever it holds: only where it belongs has to be told in another way.
    if (error instanceof OciError) return [];
    throw error;
  }
}

const READERS: ReadonlyMap<string, (json: Record<string, unknown>) => Digest[]> = new Map([
  [SIMPLE_SIGNING, ({ critical }: Record<string, unknown>) => {
    const image = isJsonObject(critical) ? critical.image : undefined;
    const text = isJsonObject(image) ? image["docker-manifest-digest"] : undefined;
    return parse(text);
  }],
  [DSSE_ENVELOPE, ({ payload }: Record<string, unknown>) => {
    const statement = decode(payload);
    const subjects = isJsonObject(statement) ? statement.subject : undefined;
    if (!Array.isArray(subjects)) return [];
    return subjects.flatMap((subject) => {
      const digest = isJsonObject(subject) ? subject.digest : undefined;
      return isJsonObject(digest) ? parse(`sha256:${digest.sha256}`) : [];
    });
  }],
]);

function parse(text: unknown): Digest[] {
  const [algorithm = "", hex = ""] = typeof text === "string" ? text.split(":") : [];
  const digest = toDigest(algorithm, hex);
  return digest ? [digest] : [];
}

function decode(payload: unknown): unknown {
  try {
    return readJsonObject(
      Uint8Array.from(atob(`${payload}`), (character) => character.charCodeAt(0)),
    );
  } catch {
    // No statement: then it names nothing.
    return undefined;
  }
}
