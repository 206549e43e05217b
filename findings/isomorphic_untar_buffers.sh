#!/usr/bin/env bash
# isomorphic-untar 1.1.0 (npm) in Node, an archive with small files.
#
# Each file comes with a `buffer`, an ArrayBuffer. Guess: its contents. Seen: for a file of less than 4 KiB it is the 8 KiB
# that Node cuts small buffers from, with the contents somewhere in it and no word of where. A larger file is its own.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund isomorphic-untar@1.1.0
printf first > small1
printf second > small2
head -c 5000 /dev/zero | tr '\0' x > large
tar -cf archive.tar small1 small2 large

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import untar from "isomorphic-untar";

const archive = new Uint8Array(readFileSync("archive.tar"));
const [small1, small2, large] = await untar(archive.buffer);
assert.deepEqual([small1, small2, large].map(({ size, buffer }) => [size, buffer.byteLength]), [[5, 8192], [6, 8192], [5000, 5000]]);
assert.ok(Buffer.from(small1.buffer).includes("first"));
assert.ok(Buffer.from(small2.buffer).includes("second"));
assert.equal(Buffer.from(large.buffer).toString(), "x".repeat(5000));
JS
node run.mjs
echo "as recorded"
