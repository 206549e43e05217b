#!/usr/bin/env bash
# @obsidize/tar-browserify 6.3.2 (npm), tars that GNU tar writes by default.
#
# Guess: names and contents as they were packed, as of a pax tar. Seen: a path of more than 100 bytes and the target of a
# long link end with a NUL character, so that no path that is looked for equals them; and a size in base 256, which GNU tar
# uses from 8 GiB on and any writer may, is 0: a file of 3 bytes comes out empty, without an error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund @obsidize/tar-browserify@6.3.2
path=$(printf 'd%.0s' $(seq 120))
target=$(printf 't%.0s' $(seq 150))
printf abc > "$path"
ln -s "$target" link
for format in gnu posix; do tar --format=$format -cf $format.tar "$path" link; done
printf abc > small
tar --format=gnu -cf octal.tar small
python3 - <<'PY'
# The size as the other form of the same number, and the checksum of the header as it is then.
tar = bytearray(open("octal.tar", "rb").read())
tar[124:136] = b"\x80" + (3).to_bytes(11, "big")
tar[148:156] = b" " * 8
tar[148:156] = b"%06o\0 " % sum(tar[:512])
open("base256.tar", "wb").write(tar)
PY
[ "$(tar -xOf base256.tar small)" = abc ]

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Archive } from "@obsidize/tar-browserify";

async function read(name) {
  const { entries } = await Archive.extract(new Uint8Array(readFileSync(name)));
  return entries.map(({ fileName, linkedFileName, fileSize, content }) => ({
    name: fileName,
    target: linkedFileName,
    size: fileSize,
    text: content && new TextDecoder().decode(content),
  }));
}

const path = "d".repeat(120);
const target = "t".repeat(150);
const [paxFile, paxLink] = await read("posix.tar");
assert.deepEqual([paxFile.name, paxFile.text, paxLink.target], [path, "abc", target]);
const [file, link] = await read("gnu.tar");
assert.deepEqual([file.name, file.text, link.target], [`${path}\0`, "abc", `${target}\0`]);
const [octal] = await read("octal.tar");
assert.deepEqual([octal.size, octal.text], [3, "abc"]);
const [base256] = await read("base256.tar");
assert.deepEqual([base256.size, base256.text ?? ""], [0, ""]);
JS
node run.mjs
echo "as recorded"
