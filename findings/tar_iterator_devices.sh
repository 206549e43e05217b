#!/usr/bin/env bash
# tar-iterator 3.3.11 and fast-extract 1.14.11 (npm), which reads with it: an archive with a device, as the root of an image
# has it (`dev/null`), or with a fifo.
#
# Its code has an error for a type that it does not know. Guess: that error, or the entry is left out. Seen: the list ends
# before the device as if the archive did, without an error; fast-extract ends well too, and what is behind the device
# is not there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund tar-iterator@3.3.11 fast-extract@1.14.11
cat > make.py <<'PY'
import io, tarfile

for name, kind in ("device", tarfile.CHRTYPE), ("fifo", tarfile.FIFOTYPE), ("file", tarfile.REGTYPE):
    with tarfile.open(f"{name}.tar", "w") as archive:
        for path, type, data in ("a", tarfile.REGTYPE, b"one"), ("dev/null", kind, b""), ("z", tarfile.REGTYPE, b"end"):
            entry = tarfile.TarInfo(path)
            entry.type, entry.size, entry.devmajor, entry.devminor = type, len(data), 1, 3
            archive.addfile(entry, io.BytesIO(data))
PY
python3 make.py

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import extract from "fast-extract";
import TarIterator from "tar-iterator";

async function paths(archive) {
  const found = [];
  for await (const entry of new TarIterator(archive)) found.push(entry.path);
  return found;
}

assert.deepEqual(await paths("file.tar"), ["a", "dev/null", "z"]);
for (const name of ["device", "fifo"]) {
  assert.deepEqual(await paths(`${name}.tar`), ["a"]);
  await extract(`${name}.tar`, name);
  assert.deepEqual(readdirSync(name), ["a"]);
}
JS
node run.mjs
echo "as recorded"
