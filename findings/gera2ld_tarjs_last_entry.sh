#!/usr/bin/env bash
# @gera2ld/tarjs 0.3.1 (npm), an archive of 10240 bytes that it wrote, whose last entry is a folder or an empty file.
#
# The writer fills up to 10240 bytes and adds no blocks of zeros where nothing is left to fill; the reader wants one more
# block behind each header. Guess: it reads what it writes. Seen: the last entry is not listed, and getTextFile of it throws
# `File not found`. Python's reader finds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund @gera2ld/tarjs@0.3.1
cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { TarReader, TarWriter } from "@gera2ld/tarjs";

const writer = new TarWriter();
writer.addFile("data", new Uint8Array(18 * 512));
writer.addFile("empty", "");
const archive = await writer.write();
assert.equal(archive.size, 10240);
const reader = await TarReader.load(archive);
assert.deepEqual(reader.fileInfos.map(({ name }) => name), ["data"]);
assert.throws(() => reader.getTextFile("empty"), /File not found: empty/);
writeFileSync("archive.tar", new Uint8Array(await archive.arrayBuffer()));
JS
node run.mjs
[ "$(python3 -c 'import tarfile; print(tarfile.open("archive.tar").getnames())')" = "['data', 'empty']" ]
echo "as recorded"
