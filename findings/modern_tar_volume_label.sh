#!/usr/bin/env bash
# modern-tar 0.8.6 (npm), a tar with a volume label (`tar --label=backup`, GNU tar's type V).
#
# Guess: the label is no file, and is left out or has a type of its own. Seen: an entry of type "file" with the label as
# its name, which is empty and comes first: whoever unpacks the tar gets a file that nobody has packed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund modern-tar@0.8.6
echo content > file
tar --format=gnu --label=backup -cf label.tar file
mkdir unpacked
tar -xf label.tar -C unpacked
[ "$(ls unpacked)" = file ]

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { unpackTar } from "modern-tar";

const entries = await unpackTar(new Uint8Array(readFileSync("label.tar")));
assert.deepEqual(
  entries.map(({ header, data }) => [header.name, header.type, data.length]),
  [["backup", "file", 0], ["file", "file", 8]],
);
JS
node run.mjs
echo "as recorded"
