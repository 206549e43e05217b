#!/usr/bin/env bash
# modern-tar 0.8.6, nanotar 0.3.0, tar-stream 3.2.2 and tar 7.5.23 (npm), a sparse file packed by GNU tar
# (`tar --sparse --format=posix`, which keeps to pax).
#
# Guess: the file of 1 MiB and 3 bytes, or an error. Seen in all four, without an error: a plain file of 515 bytes with
# another name (`GNUSparseFile.NUMBER/sparse`), whose contents are the map of the holes and then the 3 bytes.
# Python's and GNU's readers give the file as it was.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund modern-tar@0.8.6 nanotar@0.3.0 tar-stream@3.2.2 tar@7.5.23
truncate -s 1M sparse
printf end >> sparse
tar --sparse --format=posix -cf sparse.tar sparse
[ "$(python3 -c 'import tarfile; print([(m.name, m.size) for m in tarfile.open("sparse.tar")])')" = "[('sparse', 1048579)]" ]

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { unpackTar } from "modern-tar";
import { parseTar } from "nanotar";
import { Parser } from "tar";
import { extract } from "tar-stream";

const archive = readFileSync("sparse.tar");
const readers = {
  async modernTar() {
    return (await unpackTar(new Uint8Array(archive))).map(({ header, data }) => [header.name, header.type, data]);
  },
  async nanotar() {
    return parseTar(new Uint8Array(archive)).map(({ name, type, data }) => [name, type, data]);
  },
  async tarStream() {
    const files = [];
    for await (const entry of Readable.from([archive]).pipe(extract())) {
      const chunks = [];
      for await (const chunk of entry) chunks.push(chunk);
      files.push([entry.header.name, entry.header.type, Buffer.concat(chunks)]);
    }
    return files;
  },
  tar() {
    const files = [];
    return new Promise((resolve) => {
      const onReadEntry = (entry) => {
        const chunks = [];
        entry.on("data", (chunk) => chunks.push(chunk));
        entry.on("end", () => files.push([entry.path, entry.type.toLowerCase(), Buffer.concat(chunks)]));
      };
      new Parser({ onReadEntry }).on("end", () => resolve(files)).end(archive);
    });
  },
};
for (const [reader, read] of Object.entries(readers)) {
  const files = await read();
  assert.equal(files.length, 1, reader);
  const [name, type, data] = files[0];
  assert.match(name, /GNUSparseFile\.\d+\/sparse$/, reader);
  assert.equal(type, "file", reader);
  assert.equal(data.length, 515, reader);
  const text = Buffer.from(data).toString();
  assert.match(text, /^\d+\n\d+\n\d+\n/, reader);
  assert.equal(text.slice(512), "end", reader);
}
JS
node run.mjs
echo "as recorded"
