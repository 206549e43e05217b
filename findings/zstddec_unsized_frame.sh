#!/usr/bin/env bash
# zstddec 0.3.4 (npm), `decode` of a zstd frame without a content size, as `zstd -c` writes it from a pipe.
#
# Guess: the content, or an error that asks for the size (the second argument, which its readme says may be left out).
# Seen: nothing is thrown, and the answer is an array of about 16 MiB that does not even begin with the content. With
# the size as second argument, or in the frame, the content comes out well. The `zstd` program makes both frames.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund zstddec@0.3.4
printf 'hello world' > text
zstd -qc < text > unsized.zst
zstd -q text -o sized.zst
[ "$(zstd -dqc unsized.zst)" = "hello world" ]

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ZSTDDecoder } from "zstddec";

const decoder = new ZSTDDecoder();
await decoder.init();
const sized = decoder.decode(new Uint8Array(readFileSync("sized.zst")));
assert.equal(Buffer.from(sized).toString(), "hello world");
const unsized = decoder.decode(new Uint8Array(readFileSync("unsized.zst")));
assert.ok(unsized.length > 16 * 1024 * 1024, `length ${unsized.length}`);
assert.notEqual(Buffer.from(unsized.subarray(0, 11)).toString(), "hello world");
const told = decoder.decode(new Uint8Array(readFileSync("unsized.zst")), 11);
assert.equal(Buffer.from(told).toString(), "hello world");
JS
node run.mjs
echo "as recorded"
