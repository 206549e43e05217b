#!/usr/bin/env bash
# multitars 1.0.2 (npm), `untar` of archives made by GNU tar, beside tar 7.5.23 (npm), whose formats it says that it reads.
#
# Guess: the files that tar lists. Seen:
# - an incremental archive, whose headers have the times of access and change where ustar has a prefix: the paths have a folder of
#   digits put before them, which are one of the times;
# - `tar --label` and `tar --format=v7`: no file, `Unexpected non-header block`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --silent --no-fund --no-audit multitars@1.0.2 tar@7.5.23 > npm.txt 2>&1 || { cat npm.txt; exit 1; }
mkdir -p packed/folder
echo text > packed/folder/a
echo text > packed/b
pack() { tar -C packed --format="$1" --sort=name -cf "$2.tar" "${@:3}" folder b; }
pack gnu plain
pack gnu incremental --listed-incremental="$work/state"
pack gnu label --label=backup
pack v7 v7
cat > list.cjs <<'JS'
const { createReadStream } = require("node:fs");
const { untar } = require("multitars");
const { list } = require("tar");

async function main() {
  for (const name of ["plain", "incremental", "label", "v7"]) {
    const seen = [];
    try {
      for await (const entry of untar(createReadStream(`${name}.tar`))) if (entry.typeflag === 48) seen.push(entry.name);
    } catch (error) {
      seen.push(error.message);
    }
    const beside = [];
    await list({ file: `${name}.tar`, onReadEntry: (entry) => /File$/.test(entry.type) && beside.push(entry.path) });
    const told = [seen, beside].map((paths) => paths.sort().join(" ").replace(/\d{11}/g, "TIME"));
    console.log(`${name}: ${told.join(" | ")}`);
  }
}

main();
JS
node list.cjs > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
plain: b folder/a | b folder/a
incremental: TIME/b TIME/folder/a | b folder/a
label: Invalid Tar: Unexpected non-header block | b folder/a
v7: Invalid Tar: Unexpected non-header block | b folder/a
SEEN
echo "as recorded"
