#!/usr/bin/env bash
# xz-compat 1.2.10 (npm), the first `decodeXZ` of a program, and two xz streams in one file, as `cat a.xz b.xz` makes it.
#
# 1. Guess: a file is decoded. Seen: before that another package, lzma-native, is installed from the registry into the folder of
#    xz-compat, with a line on stdout. Its README has a variable that keeps it from that, LZMA_NATIVE_DISABLE=1.
# 2. Guess: both streams, as `xz -d` gives them. Seen: that depends on the package that was installed: with it `decodeXZ` gives
#    both and `createXZDecoder` fails, `No progress is possible`; without it both fail, `LZMA: Invalid distance`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund xz-compat@1.2.10
seq 5000 > one
seq 5000 9000 > two
xz -c one > single.xz
(xz -c one; xz -c two) > double.xz
[ "$(xz -dc double.xz)" = "$(cat one two)" ]

cat > run.cjs <<'JS'
const { createReadStream, readFileSync } = require("node:fs");
const { createXZDecoder, decodeXZ } = require("xz-compat");

const decode = async (name) => (await decodeXZ(readFileSync(name))).length;

async function stream(name) {
  let length = 0;
  const decoder = createReadStream(name).pipe(createXZDecoder());
  for await (const data of decoder) length += data.length;
  return length;
}

(async () => {
  for (const name of ["single.xz", "double.xz"]) {
    for (const read of [decode, stream]) console.log(read.name, name, await read(name).catch((error) => error.message));
  }
})();
JS
installed() { [ -e node_modules/xz-compat/node_modules/lzma-native ] && echo installed || echo "not installed"; }
{
  LZMA_NATIVE_DISABLE=1 node run.cjs
  installed
  node run.cjs
  installed
} > seen.txt 2> err.txt || { cat err.txt; exit 1; }
diff seen.txt - <<SEEN || { echo CHANGED; exit 1; }
decode single.xz $(wc -c < one)
stream single.xz $(wc -c < one)
decode double.xz LZMA: Invalid distance
stream double.xz LZMA: Invalid distance
not installed
Installing lzma-native for native acceleration...
decode single.xz $(wc -c < one)
stream single.xz $(wc -c < one)
decode double.xz $(cat one two | wc -c)
stream double.xz No progress is possible
installed
SEEN
echo "as recorded"
