import { assertEquals } from "@std/assert";
import type { Compression } from "../../src/codec/magic.ts";
import {
  compressionOfType,
  isEncryptedType,
  isLayerType,
  isUnpacked,
} from "../../src/image/layer_type.ts";
import { DOCKER_LAYER, OCI_LAYER } from "../../src/media_types.ts";
import { test } from "../helpers/test.ts";

const OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar";

test("isUnpacked() says what containerd 2.4.2 did with layers of every type and content", () => {
  const contents: readonly (Compression | undefined)[] = [undefined, "gzip", "zstd", "xz", "bzip2"];
  const yes = [true, true, true, false, false];
  const onlyPlain = [true, false, false, false, false];
  const cases: readonly [mediaType: string, expected: boolean[]][] = [
    [OCI_LAYER, onlyPlain],
    [OCI_FOREIGN, onlyPlain],
    [`${OCI_LAYER}+gzip`, yes],
    [`${OCI_LAYER}+zstd`, yes],
    [`${OCI_FOREIGN}+gzip`, yes],
    [DOCKER_LAYER, yes],
    [DOCKER_FOREIGN, yes],
    [`${DOCKER_LAYER}.gzip`, yes],
    [`${DOCKER_LAYER}.zstd`, yes],
    [`${DOCKER_FOREIGN}.gzip`, yes],
    [`${DOCKER_LAYER}+gzip`, onlyPlain],
  ];
  for (const [mediaType, expected] of cases) {
    assertEquals(contents.map((compression) => isUnpacked(mediaType, compression)), expected);
    assertEquals(isLayerType(mediaType), true);
  }
});

test("compressionOfType() and isEncryptedType() read the ending of a layer's type", () => {
  assertEquals(compressionOfType(OCI_LAYER), undefined);
  assertEquals(compressionOfType(`${OCI_LAYER}+zstd`), "zstd");
  assertEquals(compressionOfType(`${DOCKER_LAYER}.gzip`), "gzip");
  assertEquals(isEncryptedType(`${OCI_LAYER}+gzip+encrypted`), true);
  assertEquals(isEncryptedType(`${OCI_LAYER}+gzip`), false);
  assertEquals(isLayerType("application/vnd.cncf.helm.chart.content.v1.tar+gzip"), false);
});
