#!/usr/bin/env bash
# @remix-run/tar-parser 0.7.1 (npm), `parseTar` of archives that GNU tar has made in its own format.
#
# Seen, where tar (npm 7.5.23) lists what was packed:
# - a path of more than 100 bytes, and the target of a link to it, end with a NUL, so that no file is found by its path;
# - a file from before 1970 is a second younger, and in pax format it is from 1970.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --silent --no-fund --no-audit @remix-run/tar-parser@0.7.1 tar@7.5.23 > npm.txt 2>&1 || { cat npm.txt; exit 1; }
long=$(printf 'a%.0s' $(seq 101))
mkdir packed
echo text > packed/"$long"
ln -s "$long" packed/link
echo text > packed/old
TZ=UTC touch -d 1969-12-31T23:59:00 packed/old
for format in gnu pax; do tar -C packed --format=$format -cf $format.tar "$long" link old; done
cat > list.mjs <<'JS'
import { readFileSync } from "node:fs";
import { parseTar } from "@remix-run/tar-parser";
import { list } from "tar";

const tell = (name, link, seconds) => JSON.stringify([name, link ?? "", ...(name === "old" ? [seconds] : [])]).replace(/a{101}/g, "A");
for (const format of ["gnu", "pax"]) {
  await parseTar(readFileSync(`${format}.tar`), ({ header }) => console.log(format, tell(header.name, header.linkname, header.mtime)));
  await list({
    file: `${format}.tar`,
    onReadEntry: (entry) => console.log(format, "tar", tell(entry.path, entry.linkpath, entry.mtime / 1000)),
  });
}
JS
node list.mjs > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
gnu ["A\u0000",""]
gnu ["link","A\u0000"]
gnu ["old","",-59]
gnu tar ["A",""]
gnu tar ["link","A"]
gnu tar ["old","",-60]
pax ["A",""]
pax ["link","A"]
pax ["old","",0]
pax tar ["A",""]
pax tar ["link","A"]
pax tar ["old","",-60]
SEEN
echo "as recorded"
