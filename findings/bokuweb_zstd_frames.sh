#!/usr/bin/env bash
# @bokuweb/zstd-wasm 0.0.27 (npm), `decompress` of zstd bytes with more than one frame.
#
# Guess: all frames, as `zstd -d` gives them, or the first alone. Seen: it depends on whether the first frame tells its
# content's size. Two frames without it (made in a pipe): both come out. Two frames with it (made from a file), or a
# skippable frame in front: an error, and one of compressing, `Failed to compress with code -70`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund @bokuweb/zstd-wasm@0.0.27
printf 'first ' > first
printf second > second
zstd -q first second
cat first.zst second.zst > sized.zst
(zstd -qc < first; zstd -qc < second) > unsized.zst
(printf '\x50\x2a\x4d\x18\x04\0\0\0made'; cat first.zst) > skippable.zst
[ "$(zstd -dqc sized.zst)" = "first second" ]
[ "$(zstd -dqc skippable.zst)" = "first " ]

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { decompress, init } from "@bokuweb/zstd-wasm";

await init();
const read = (name) => Buffer.from(decompress(new Uint8Array(readFileSync(`${name}.zst`)))).toString();
assert.equal(read("first"), "first ");
assert.equal(read("unsized"), "first second");
for (const name of ["sized", "skippable"]) assert.throws(() => read(name), /Failed to compress with code -70/, name);
JS
node run.mjs
echo "as recorded"
