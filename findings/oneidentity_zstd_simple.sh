#!/usr/bin/env bash
# @oneidentity/zstd-js 1.0.3 (npm), `ZstdSimple` and zstd 1.5 (Debian's package) with each other's data.
#
# Guess: one reads what the other wrote. Seen: `ZstdSimple.compress` puts 18 bytes more into the frame than it was given,
# and `ZstdSimple.decompress` takes 18 bytes off the end. So a file of zstd loses its last 18 bytes, one of 18 or less comes
# out empty, and what the library compressed has 18 bytes too many for anyone else. Nothing is thrown. `ZstdStream` of the
# same library is right both ways.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

zstd --version | grep -q ' v1\.5\.' || { echo "needs zstd 1.5"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund @oneidentity/zstd-js@1.0.3
seq 1000 > text
printf 'eighteen letters..' > short
zstd -q text short

cat > run.cjs <<'JS'
const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const { readFileSync } = require("node:fs");
const { ZstdInit } = require("@oneidentity/zstd-js");

ZstdInit().then(({ ZstdSimple, ZstdStream }) => {
  const read = (name) => new Uint8Array(readFileSync(name));
  const text = read("text");
  const unzstd = (data) => new Uint8Array(execFileSync("zstd", ["-dc"], { input: data }));
  assert.deepEqual(ZstdSimple.decompress(read("text.zst")), text.subarray(0, -18));
  assert.equal(ZstdSimple.decompress(read("short.zst")).length, 0);
  const packed = unzstd(ZstdSimple.compress(text));
  assert.equal(packed.length, text.length + 18);
  assert.deepEqual(packed.subarray(0, text.length), text);
  assert.deepEqual(ZstdSimple.decompress(ZstdSimple.compress(text)), text);

  assert.deepEqual(ZstdStream.decompress(read("text.zst")), text);
  assert.deepEqual(unzstd(ZstdStream.compress(text)), text);
});
JS
node run.cjs 2>&1 | cut -c 1-500
echo "as recorded"
