#!/usr/bin/env bash
# fflate 0.8.3 (npm), `gunzipSync` of gzip bytes with two members, as `cat a.gz b.gz` makes them.
#
# Guess: both members, as `gzip -d` does, or the first one alone. Seen: the first member cut (or not) to the length of
# the LAST one, because the output is sized by the last four bytes of the input; nothing is thrown. A first member of
# 19 bytes before one of 3 bytes gives 3 bytes, and before an empty one nothing at all. The stream class `Gunzip` of
# the same version gives both members whole.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund fflate@0.8.3
printf 'a long first member' | gzip -n > first.gz
printf '2nd' | gzip -n > short.gz
printf '' | gzip -n > empty.gz
cat first.gz short.gz > two.gz
cat first.gz empty.gz > with_empty.gz
[ "$(gzip -dc two.gz)" = "a long first member2nd" ]
[ "$(gzip -dc with_empty.gz)" = "a long first member" ]

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Gunzip, gunzipSync, strFromU8 } from "fflate";

const streamed = (bytes) => {
  let text = "";
  new Gunzip((chunk) => text += strFromU8(chunk)).push(bytes, true);
  return text;
};
const two = readFileSync("two.gz"), withEmpty = readFileSync("with_empty.gz");
assert.equal(strFromU8(gunzipSync(two)), "a l");
assert.equal(strFromU8(gunzipSync(withEmpty)), "");
assert.equal(streamed(two), "a long first member2nd");
assert.equal(streamed(withEmpty), "a long first member");
JS
node run.mjs
echo "as recorded"
