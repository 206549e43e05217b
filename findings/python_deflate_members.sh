#!/usr/bin/env bash
# deflate 0.9.0 (PyPI), `gzip_decompress` of gzip files with several members, beside Python's own gzip.
#
# Guess: all members (RFC 1952, 2.2), or an error. Seen: the length is taken from the end of the file, which is that of the last
# member, and the first alone is read, so that of two equal ones the second is left out in silence. An eStargz layer (estargz
# 0.19.1, Go module) and a file of BGZF's form end with an empty member, and one padded with zeros with a length of 0: all three
# are b"", without an error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install -q deflate==0.9.0 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
echo text > a.txt
tar -cf layer.tar a.txt
cat > go.mod <<'GO'
module made

go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"io"
	"os"

	"github.com/containerd/stargz-snapshotter/estargz"
)

func main() {
	file, err := os.Open("layer.tar")
	check(err)
	info, err := file.Stat()
	check(err)
	blob, err := estargz.Build(io.NewSectionReader(file, 0, info.Size()))
	check(err)
	out, err := os.Create("layer.esgz")
	check(err)
	_, err = io.Copy(out, blob)
	check(err)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go get github.com/containerd/stargz-snapshotter/estargz@v0.19.1 > go.txt 2>&1
go mod tidy >> go.txt 2>&1
go run . || { cat go.txt; exit 1; }
cat > read.py <<'PY'
import deflate, gzip

pack = gzip.compress
for name, data in {
    "equal": pack(b"hello") + pack(b"world"),
    "longer": pack(b"hello") + pack(b"other world"),
    "shorter": pack(b"other world") + pack(b"hello"),
    "ends empty, as BGZF": pack(b"hello") + pack(b"world") + pack(b""),
    "padded": pack(b"hello") + bytes(512),
    "eStargz": open("layer.esgz", "rb").read(),
}.items():
    try:
        seen = bytes(deflate.gzip_decompress(data))
    except deflate.DeflateError as error:
        seen = error
    whole = gzip.decompress(data)
    print(f"{name}: {seen!r} of {whole if len(whole) < 99 else 'a layer'}")
PY
python/bin/python read.py > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
equal: b'hello' of b'helloworld'
longer: b'hello' of b'helloother world'
shorter: DeflateError('Decompression failed') of b'other worldhello'
ends empty, as BGZF: b'' of b'helloworld'
padded: b'' of b'hello'
eStargz: b'' of a layer
SEEN
echo "as recorded"
