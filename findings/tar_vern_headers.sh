#!/usr/bin/env bash
# tar-vern 1.3.0 (npm), the extractor on archives of GNU tar in both of its formats, and the packer with a long path.
#
# 1. Guess: links and long names as they were packed, or left out. Seen, without an error: every pax header and `@LongLink` is a
#    file of its own, a path ends after 100 bytes, and links of both kinds are empty files.
# 2. Guess: the packed path is whole, or refused. Seen: it is cut to the bytes that fit.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund tar-vern@1.3.0
mkdir packed
name=$(printf 'n%.0s' $(seq 120))
printf hello > "packed/$name"
printf hello > packed/a
ln packed/a packed/hard
ln -s a packed/symbolic
for format in gnu posix; do tar --format=$format -C packed -cf $format.tar "$name" a hard symbolic; done

cat > run.mjs <<'JS'
import { createReadStream } from "node:fs";
import { createFileItem, createTarExtractor, createTarPacker, storeReaderToFile } from "tar-vern";

const short = (path) => path.startsWith("n") ? `${path.length} letters` : path.replace(/n+$/, "...");
for (const format of ["gnu", "posix"]) {
  for await (const item of createTarExtractor(createReadStream(`${format}.tar`))) {
    const { length } = await item.getContent("buffer");
    console.log(format, item.kind, short(item.path), /Header|@/.test(item.path) ? "" : length);
  }
}
async function* items() {
  yield await createFileItem("n".repeat(120), "hello");
}
await storeReaderToFile(createTarPacker(items()), "packed.tar");
JS
node run.mjs > seen.txt
tar -tf packed.tar | awk '{ print "packed", length($0) }' >> seen.txt
diff -Z seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
gnu file ././@LongLink
gnu file 100 letters 5
gnu file a 5
gnu file hard 0
gnu file symbolic 0
posix file ./PaxHeaders/...
posix file 100 letters 5
posix file ./PaxHeaders/a
posix file a 5
posix file ./PaxHeaders/hard
posix file hard 0
posix file ./PaxHeaders/symbolic
posix file symbolic 0
packed 100
SEEN
echo "as recorded"
