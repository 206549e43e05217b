#!/usr/bin/env bash
# nanotar 0.3.0 (npm), `parseTar` of plain ustar and pax archives.
#
# 1. ustar parts a path of more than 100 bytes between two header fields, `prefix` and `name`. Guess: they are joined,
#    as all readers of ustar do. Seen: the folder is dropped and the file is called by its last part.
# 2. A pax record `path=...` may hold `=` and line ends, its length says where it ends. Seen: the path is cut at both.
# 3. GNU tar may write a size in base 256. Seen: its size is NaN, its data is empty and the entries after it are lost.
# Nothing is thrown in any of them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund nanotar@0.3.0
cat > make.py <<'PY'
import io, tarfile

def save(name, kind, paths, change=lambda data: data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for path in paths:
            entry = tarfile.TarInfo(path)
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"abc"))
    open(name, "wb").write(change(out.getvalue()))

def base_256(data):
    header = bytearray(data[:512])
    header[124:136] = b"\x80" + bytes(10) + b"\x03"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]

folder = "folder-" + "x" * 80
save("ustar.tar", tarfile.USTAR_FORMAT, [folder + "/" + "y" * 40])
save("pax.tar", tarfile.PAX_FORMAT, ["é=1\n2"])
save("gnu.tar", tarfile.GNU_FORMAT, ["first", "second"], base_256)
for name in "ustar", "pax", "gnu":
    print(name, [(entry.name, entry.size) for entry in tarfile.open(name + ".tar")])
PY
python3 make.py > expected.txt
grep -q "'first', 3), ('second', 3)" expected.txt

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseTar } from "nanotar";

const read = (name) => parseTar(new Uint8Array(readFileSync(name))).map(({ name, size }) => [name, size]);
assert.deepEqual(read("ustar.tar"), [["y".repeat(40), 3]]);
assert.deepEqual(read("pax.tar"), [["é", 3]]);
assert.deepEqual(read("gnu.tar"), [["first", NaN]]);
JS
node run.mjs
echo "as recorded"
