#!/usr/bin/env bash
# zstd-codec 0.1.5 (npm), `Simple.decompress` of what the `zstd` program writes.
#
# Guess: the content, or an error. Seen: null, without an error, for a frame without its size, as `zstd -c` writes it from a
# pipe, for two frames, for a skippable frame in front and for the frame of an empty file. A single frame with its size is
# read. `Streaming` of the same library reads all of them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund zstd-codec@0.1.5
seq 5000 > text
: > nothing
zstd -q text nothing
zstd -q -c < text > piped.zst
cat text.zst text.zst > double.zst
(printf '\x50\x2a\x4d\x18\x04\x00\x00\x00abcd'; cat text.zst) > skippable.zst

cat > run.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { ZstdCodec } = require("zstd-codec");

ZstdCodec.run((zstd) => {
  for (const name of ["text", "piped", "double", "skippable", "nothing"]) {
    const data = new Uint8Array(readFileSync(`${name}.zst`));
    const [simple, stream] = [new zstd.Simple(), new zstd.Streaming()].map((codec) => codec.decompress(data));
    console.log(name, simple && simple.length, stream && stream.length);
  }
});
JS
node run.cjs > seen.txt
size=$(wc -c < text)
diff seen.txt - <<SEEN || { echo CHANGED; exit 1; }
text $size $size
piped null $size
double null $((size * 2))
skippable null $size
nothing null 0
SEEN
echo "as recorded"
