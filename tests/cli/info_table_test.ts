import { assertEquals } from "@std/assert";
import { infoLines } from "../../src/cli/info_table.ts";
import { paintNothing } from "../../src/cli/render.ts";
import { parseDigest } from "../../src/digest.ts";
import type { ImageInfo } from "../../src/registry/image.ts";
import { test } from "../helpers/test.ts";

const A = parseDigest("sha256:" + "a".repeat(64));
/** Clears a terminal, and how that is shown. */
const CLEAR = "\x1b[2J";
const SHOWN = "\\u{1b}[2J";

test("infoLines() shows no text of a registry that a terminal would obey", () => {
  const platform = { os: CLEAR, architecture: "amd64" };
  const descriptor = { mediaType: CLEAR, digest: A, size: 7 };
  const info: ImageInfo = {
    kind: "image",
    digest: A,
    mediaType: CLEAR,
    manifestSize: 1,
    size: 1000,
    manifest: {},
    platform,
    created: CLEAR,
    labels: { [CLEAR]: CLEAR },
    layers: [descriptor],
    entries: [{ descriptor, platform, isAttestation: false }],
  };
  assertEquals(infoLines(CLEAR, info, paintNothing), [
    `${SHOWN}  image, 1 kB`,
    `  digest     ${A}`,
    `  type       ${SHOWN}`,
    `  platform   ${SHOWN}/amd64`,
    `  created    ${SHOWN}`,
    `  label      ${SHOWN}=${SHOWN}`,
    `  layer      ${A}  7 B  ${SHOWN}`,
    `  platforms  ${SHOWN}/amd64  ${A}  (not in the registry)`,
  ]);
});
