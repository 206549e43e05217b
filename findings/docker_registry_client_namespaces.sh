#!/usr/bin/env bash
# docker-registry-client 3.4.0 and its fork @renovatebot/docker-registry-client 3.3.0 (npm), `parseRepoAndRef` of names with
# a folder of one letter, `ghcr.io/o/app:1`.
#
# The grammar of names sets no lower limit. Guess: registry ghcr.io, repository `o/app`. Seen in both: an error, `invalid
# repository namespace, must be between 2 and 255 characters: o`, for any registry, so such an image cannot be asked
# for. A folder of one letter further down, or the repository itself, is taken.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund docker-registry-client@3.4.0 @renovatebot/docker-registry-client@3.3.0
cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import fork from "@renovatebot/docker-registry-client";
import original from "docker-registry-client";

for (const { parseRepoAndRef } of [original, fork]) {
  for (const name of ["ghcr.io/o/app:1", "localhost:5000/o/app", "o/app"]) {
    assert.throws(() => parseRepoAndRef(name), { message: "invalid repository namespace, must be between 2 and 255 characters: o" });
  }
  for (const name of ["team/o/app", "o"]) {
    const { index, remoteName } = parseRepoAndRef(`ghcr.io/${name}:1`);
    assert.deepEqual([index.name, remoteName], ["ghcr.io", name]);
  }
}
JS
node run.mjs
echo "as recorded"
