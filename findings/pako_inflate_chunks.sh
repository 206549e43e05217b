#!/usr/bin/env bash
# pako 3.0.3 (npm), class `Inflate` given gzip bytes with two members.
#
# Guess: what comes out does not depend on how the input is cut into chunks. Seen: pushed as one chunk both members
# come out; cut at the border between the members only the first does, and so it does byte by byte. `push` returns true
# for the dropped chunks too and `err` stays 0, so a file read in blocks may end early without an error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund pako@3.0.3
printf 'first ' | gzip -n > first.gz
printf 'second' | gzip -n > second.gz
cat first.gz second.gz > two.gz
[ "$(gzip -dc two.gz)" = "first second" ]

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Inflate } from "pako";

const inflate = (chunks) => {
  const inflator = new Inflate();
  const pushed = chunks.map((chunk, i) => inflator.push(chunk, i === chunks.length - 1));
  return [Buffer.from(inflator.result).toString(), inflator.err, pushed.at(-1)];
};
const read = (name) => new Uint8Array(readFileSync(name));
assert.deepEqual(inflate([read("two.gz")]), ["first second", 0, true]);
assert.deepEqual(inflate([read("first.gz"), read("second.gz")]), ["first ", 0, true]);
assert.deepEqual(inflate(Array.from(read("two.gz"), (byte) => Uint8Array.of(byte))), ["first ", 0, true]);
JS
node run.mjs
echo "as recorded"
