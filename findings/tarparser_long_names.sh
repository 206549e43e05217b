#!/usr/bin/env bash
# tarparser 0.0.5 (npm), whose README names long file names among what it reads, and parse-tar 1.2.2 (npm).
#
# 1. A name that fills its field of 100 bytes has no NUL behind it. Seen in both: its last letter is lost.
# 2. ustar parts a longer path between two fields, where a slash was. Seen in tarparser: it puts them together without the
#    slash, so `folder/file` is `folderfile`.
# 3. tarparser takes a Uint8Array. Seen: it reads the whole buffer below it, so one that begins further on is
#    `The file format should be tar.gz or tar`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund tarparser@0.0.5 parse-tar@1.2.2
full=$(printf 'f%.0s' $(seq 96)).txt
folder=$(printf 'd%.0s' $(seq 80))
mkdir "$folder"
echo hello > "$full"
echo hello > "$folder/file-with-a-long-name.txt"
tar --format=ustar -cf archive.tar "$full" "$folder/file-with-a-long-name.txt"

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import parseTar from "parse-tar";
import { parseTar as tarparser } from "tarparser";

const archive = new Uint8Array(readFileSync("archive.tar"));
const cut = "f".repeat(96) + ".tx";
assert.deepEqual((await tarparser(archive)).map(({ name }) => name), [cut, "d".repeat(80) + "file-with-a-long-name.txt"]);
const [full, parted] = parseTar.default(archive.buffer);
assert.equal(full.name, cut);
assert.deepEqual([parted.fileNamePrefix, parted.name], ["d".repeat(80), "file-with-a-long-name.txt"]);

const larger = new Uint8Array(512 + archive.length);
larger.set(archive, 512);
await assert.rejects(tarparser(larger.subarray(512)), /The file format should be tar\.gz or tar/);
JS
node run.mjs
echo "as recorded"
