#!/usr/bin/env bash
# pgzip 0.4.0 and mgzip 0.2.5 (PyPI), gzip whose header has an extra field (RFC 1952, FEXTRA) of somebody else.
#
# The two write such a field of their own, with the length of a block. Guess: another one is passed over, as Python's gzip
# does. Seen in both: of another one no more than its first two letters are read, and what follows is taken for compressed
# data: `Error -3 while decompressing data`. So they cannot read a layer of eStargz (estargz 0.19.1, Go module), whose last
# member has such a field.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install pgzip==0.4.0 mgzip==0.2.5
mkdir made
cat > made/go.mod <<'GO'
module made

go 1.24
GO
cat > made/main.go <<'GO'
package main

import (
	"bytes"
	"io"
	"os"

	"github.com/containerd/stargz-snapshotter/estargz"
)

func main() {
	layer, err := os.ReadFile("layer.tar")
	if err != nil {
		panic(err)
	}
	blob, err := estargz.Build(io.NewSectionReader(bytes.NewReader(layer), 0, int64(len(layer))))
	if err != nil {
		panic(err)
	}
	made, err := io.ReadAll(blob)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile("layer.esgz", made, 0o644); err != nil {
		panic(err)
	}
}
GO
(cd made && go get github.com/containerd/stargz-snapshotter/estargz@v0.19.1 && go mod tidy && go build -o ../estargz .) > go.txt 2>&1 || { cat go.txt; exit 1; }
printf hello > file.txt
tar -cf layer.tar file.txt
./estargz

venv/bin/python - <<'PY'
import gzip, io, struct, tarfile, zlib
import mgzip, pgzip

def gzipped(data, extra):
    packer = zlib.compressobj(wbits=-15)
    body = packer.compress(data) + packer.flush()
    field = struct.pack("<H", len(extra)) + extra
    return b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + field + body + struct.pack("<II", zlib.crc32(data), len(data))

open("small.gz", "wb").write(gzipped(b"hello", b"AP\x02\0xy"))
assert gzip.open("small.gz").read() == b"hello"
assert "file.txt" in tarfile.open("layer.esgz").getnames()
for library in pgzip, mgzip:
    for name in "small.gz", "layer.esgz":
        try:
            library.open(name, "rb").read()
        except zlib.error as error:
            assert "Error -3 while decompressing data" in str(error), error
        else:
            raise SystemExit(f"CHANGED: {library.__name__} reads {name}")
PY
echo "as recorded"
