#!/usr/bin/env bash
# bun 1.4.5 (npm), `Bun.Archive`: an archive with a hard link, as GNU tar packs a file with two names.
#
# Guess: `extract` makes the link or a copy of the file, or fails. Seen: the link is not there, without an error, and it is
# counted among the extracted entries all the same. Nor is it among `files()`. A symbolic link is made.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund bun@1.4.5
mkdir packed
printf hello > packed/a
ln packed/a packed/hard
ln -s a packed/symbolic
tar -C packed -cf packed.tar a hard symbolic
tar -tvf packed.tar | grep -q 'hard link to a'

cat > run.js <<'JS'
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";

const archive = new Bun.Archive(await Bun.file("packed.tar").bytes());
assert.equal(await archive.extract("unpacked"), 3);
assert.deepEqual(readdirSync("unpacked").sort(), ["a", "symbolic"]);
assert.deepEqual([...(await archive.files()).keys()], ["a"]);
JS
node_modules/.bin/bun run.js
echo "as recorded"
