#!/usr/bin/env bash
# nanotar 0.3.0 (npm), `createTar` of files whose path has more than 100 bytes.
#
# Guess: a pax or GNU header, the ustar prefix, or an error. Seen: the path is cut after 100 bytes, so two files of one
# long folder get the same name (and the second one replaces the first when they are unpacked). Nothing is thrown. Its
# own `parseTar` reads long paths that others wrote with pax well.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund nanotar@0.3.0
cat > run.mjs <<'JS'
import { writeFileSync } from "node:fs";
import { createTar } from "nanotar";

const folder = "x".repeat(120) + "/";
writeFileSync("made.tar", createTar([{ name: folder + "one", data: "1" }, { name: folder + "two", data: "2" }]));
JS
node run.mjs
seen=$(python3 -c 'import tarfile; print([entry.name for entry in tarfile.open("made.tar")] == ["x" * 100] * 2)')
[ "$seen" = True ] || { tar -tf made.tar; echo CHANGED; exit 1; }
echo "as recorded"
