#!/usr/bin/env bash
# tarts 2.0.1 and tar-js 0.3.0 (npm), archives of files whose contents are given as a string, and of a path of more than 100
# bytes.
#
# 1. Guess: the text in UTF-8. Seen in both: the low byte of each letter, so the file `5 €` holds `5 \xac`, in silence.
# 2. Guess: an error for a path that does not fit, or ustar's prefix. Seen in both: the letters past the field are
#    counted in the checksum and not kept, so the entry is not valid: Python's reader ends there, without an error, and what
#    was added behind it is lost; GNU tar skips the file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund tarts@2.0.1 tar-js@0.3.0
cat > run.mjs <<'JS'
import { writeFileSync } from "node:fs";
import Tar from "tar-js";
import tarts from "tarts";

const files = [["price", "5 €"], ["f".repeat(120), "long"], ["last", "end"]];
writeFileSync("tarts.tar", tarts(files.map(([name, content]) => ({ name, content }))));
const archive = new Tar();
let bytes;
for (const [name, content] of files) bytes = archive.append(name, content);
writeFileSync("tar-js.tar", bytes);
JS
node run.mjs
for name in tarts tar-js; do
  python3 - $name.tar <<'PY'
import sys, tarfile

archive = tarfile.open(sys.argv[1])
assert archive.extractfile("price").read() == b"5 \xac", archive.extractfile("price").read()
assert archive.getnames() == ["price"], archive.getnames()
PY
  if tar -tf $name.tar > listed.txt 2> out.txt; then echo "CHANGED $name: tar lists it without an error"; exit 1; fi
  [ "$(tr '\n' ' ' < listed.txt)" = "price last " ] || { echo "CHANGED $name: $(cat listed.txt)"; exit 1; }
done
echo "as recorded"
