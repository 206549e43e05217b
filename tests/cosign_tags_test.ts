import { assertEquals } from "@std/assert";
import { COSIGN_KINDS, cosignTag, parseCosignTag } from "../src/cosign_tags.ts";
import { parseDigest } from "../src/digest.ts";
import { test } from "./helpers/test.ts";

const HEX = "0123456789abcdef".repeat(4);
const SUBJECT = parseDigest(`sha256:${HEX}`);

test("cosignTag() makes the tags that cosign looks for", () => {
  const tags = COSIGN_KINDS.map((kind) => cosignTag(SUBJECT, kind));
  assertEquals(tags, [`sha256-${HEX}.sig`, `sha256-${HEX}.att`, `sha256-${HEX}.sbom`]);
});

test("cosignTag() makes none of a digest that is longer than a tag may be", () => {
  assertEquals(cosignTag(parseDigest(`sha512:${HEX}${HEX}`), "sig"), undefined);
});

test("parseCosignTag() undoes cosignTag() and takes nothing else", () => {
  for (const kind of COSIGN_KINDS) {
    assertEquals(parseCosignTag(`sha256-${HEX}.${kind}`), { subject: SUBJECT, kind });
  }
  const others = [
    `sha256-${HEX}`,
    `sha256-${HEX}.zip`,
    `sha256-${HEX.slice(1)}.sig`,
    "v1",
    "v1.sig",
  ];
  for (const tag of others) assertEquals(parseCosignTag(tag), undefined, tag);
});
