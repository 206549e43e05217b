#!/usr/bin/env bash
# @andrewbranch/untar.js 1.0.4 (npm), archives with a path of more than 100 bytes, with a name beyond ASCII and with a label.
#
# Guess: the names as they were packed, or an error. Seen, without an error: a long path is cut after 100 bytes in GNU's and in pax
# format (which npm packs packages in), each byte of a UTF-8 name is a letter of its own, and an archive with a label
# (`tar --label`) is an empty list. The contents are right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund @andrewbranch/untar.js@1.0.4
name=$(printf 'n%.0s' $(seq 120))
printf hello > "$name"
printf hello > ü.txt
for format in gnu posix; do tar --format=$format -cf $format.tar "$name" ü.txt; done
tar --label=made -cf label.tar ü.txt

cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { untar } from "@andrewbranch/untar.js";

for (const archive of ["gnu", "posix", "label"]) {
  const files = untar(new Uint8Array(readFileSync(`${archive}.tar`)).buffer);
  const told = files.map(({ filename, fileData }) => `${filename.replace(/n{9,}/, (text) => text.length)} ${fileData.length}`);
  console.log(archive, "|", told.join(", ") || "nothing");
}
JS
node run.mjs > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
gnu | 100 5, Ã¼.txt 5
posix | 100 5, Ã¼.txt 5
label | nothing
SEEN
echo "as recorded"
