#!/usr/bin/env bash
# deno 2.9.6 (npm), `deno bundle --minify` of a program that holds another bundle as a string: a page that it serves, a
# worker that it starts.
#
# Guess: a string constant has the same text in the bundle. Seen: where the text has what esbuild 0.25.12 writes into a
# minified bundle for `require`, that part is replaced by an import of node:module, inside the string. A hash of the text,
# as a Content-Security-Policy or integrity names it, does not fit any more, and a browser cannot run it. Without
# `--minify`, and for `--platform browser`, the text stays.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export DENO_DIR="$work/cache" NO_COLOR=1

npm install --prefix "$work" --silent --no-audit --no-fund deno@2.9.6 esbuild@0.25.12
deno="$work/node_modules/.bin/deno"
# A page's script that requires what only some surroundings have.
echo 'globalThis.load = (name) => require(name);' > page.js
node_modules/.bin/esbuild page.js --bundle --minify --format=iife --outfile=page.min.js --log-level=error
node -e 'const text = require("node:fs").readFileSync("page.min.js", "utf8");
require("node:fs").writeFileSync("program.ts", `const TEXT = ${JSON.stringify(text)};\nconsole.log(TEXT);\n`);'
"$deno" run program.ts > expected.txt

changed() {
  "$deno" bundle --quiet "$@" --output bundle.js program.ts
  "$deno" run bundle.js > seen.txt
  if cmp -s expected.txt seen.txt; then echo no; else echo yes; fi
}
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }
same "as it comes" "$(changed)" no
same "for browsers" "$(changed --platform browser --minify)" no
same "minified" "$(changed --minify)" yes
changed --minify > /dev/null
grep -q 'node:module' seen.txt || { echo "CHANGED: the text is changed in another way"; exit 1; }
if grep -q 'node:module' expected.txt; then echo "CHANGED: the text had it before"; exit 1; fi
echo "as recorded"
