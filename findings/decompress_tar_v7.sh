#!/usr/bin/env bash
# decompress-tar 4.1.1 and decompress 4.2.1 (npm), whose plugin it is: an archive of `tar --format=v7`.
#
# A header of the oldest format has no magic; GNU tar writes it on demand and reads it. Guess: the files, or an error. Seen:
# an empty list, which the plugin answers to bytes that are no tar at all; so decompress ends well and writes nothing.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund decompress-tar@4.1.1 decompress@4.2.1
printf hello > file.txt
for format in v7 ustar; do tar --format=$format -cf $format.tar file.txt; done

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import decompress from "decompress";
import decompressTar from "decompress-tar";

const names = async (archive) => (await decompressTar()(readFileSync(archive))).map(({ path }) => path);
assert.deepEqual(await names("ustar.tar"), ["file.txt"]);
assert.deepEqual(await names("v7.tar"), []);
assert.deepEqual(await decompress("v7.tar", "unpacked"), []);
assert.equal(existsSync("unpacked/file.txt"), false);
JS
node run.mjs
echo "as recorded"
