#!/usr/bin/env bash
# xz-decompress 0.2.3 (npm), `XzReadableStream` of what the `xz` program writes.
#
# Guess: an xz decoder reads all xz files. Seen: the check types crc32, crc64 and none are read, sha256 is not; nor are
# the filters x86, ARM64 and delta before LZMA2, of which x86 is the usual one for programs. All four fail with the
# same `get_next_output failed with error code 6`, which does not tell what is missing.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund xz-decompress@0.2.3
printf 'hello world' > text
for check in crc32 crc64 none sha256; do xz -c --check=$check text > $check.xz; done
for filter in x86 arm64 delta; do xz -c --$filter --lzma2 text > $filter.xz; done
for file in *.xz; do [ "$(xz -dc "$file")" = "hello world" ]; done

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import xz from "xz-decompress";

const read = (name) => {
  const compressed = new Blob([readFileSync(`${name}.xz`)]).stream();
  return new Response(new xz.XzReadableStream(compressed)).text().catch((error) => error.message);
};
for (const name of ["crc32", "crc64", "none"]) assert.equal(await read(name), "hello world", name);
for (const name of ["sha256", "x86", "arm64", "delta"]) {
  assert.equal(await read(name), "get_next_output failed with error code 6", name);
}
JS
node run.mjs
echo "as recorded"
