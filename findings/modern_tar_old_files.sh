#!/usr/bin/env bash
# modern-tar 0.8.6 (npm), an archive of GNU tar with a file that was last changed before 1970.
#
# GNU tar writes such a time in base 256, as a negative number. Guess: the file with some date, or an error. Seen: the
# header is passed over in silence and the block behind it, the file's contents, is taken for the next header: the archive
# lists an empty file whose name is the text of the one that is gone. With `strict` there is an error,
# `TAR number too large`. tar-stream 3.2.2 beside it reads the file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund modern-tar@0.8.6 tar-stream@3.2.2
printf 'the contents' > old.txt
touch -d '1960-01-01 00:00:00 UTC' old.txt
printf new > new.txt
tar --format=gnu -cf archive.tar old.txt new.txt

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { unpackTar } from "modern-tar";
import { extract } from "tar-stream";

const archive = readFileSync("archive.tar");
const files = await unpackTar(new Uint8Array(archive));
assert.deepEqual(files.map(({ header }) => [header.name, header.size]), [["the contents", 0], ["new.txt", 3]]);
await assert.rejects(unpackTar(new Uint8Array(archive), { strict: true }), /TAR number too large/);

const others = [];
for await (const entry of Readable.from([archive]).pipe(extract())) {
  others.push([entry.header.name, entry.header.size]);
  entry.resume();
}
assert.deepEqual(others, [["old.txt", 12], ["new.txt", 3]]);
JS
node run.mjs
echo "as recorded"
