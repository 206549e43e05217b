#!/usr/bin/env bash
# tar-split 0.12.3 (Go module; Docker and podman keep layers with it, to give them back byte by byte).
#
# A tar may hold a path twice, the last one counts. Guess: a library that keeps any tar to the byte keeps this one.
# Seen: reading stops with `duplicates of file paths not supported`, and `./a` after `a` counts as the same path. What
# was kept up to there is given back without an error, as a tar without its end.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > go.mod <<'GO'
module made

go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"

	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

func main() {
	for _, paths := range [][]string{{"a", "b"}, {"a", "a"}, {"a", "./a"}} {
		kept, err := split(pack(paths))
		fmt.Println(paths, kept, err)
	}
}

func pack(paths []string) []byte {
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for _, path := range paths {
		writer.WriteHeader(&tar.Header{Name: path, Typeflag: tar.TypeReg, Size: 3, Mode: 0o644})
		writer.Write([]byte("abc"))
	}
	writer.Close()
	return out.Bytes()
}

func split(archive []byte) (string, error) {
	var packed bytes.Buffer
	files := storage.NewBufferFileGetPutter()
	input, err := asm.NewInputTarStream(bytes.NewReader(archive), storage.NewJSONPacker(&packed), files)
	if err != nil {
		return "", err
	}
	_, readErr := io.Copy(io.Discard, input)
	back, err := io.ReadAll(asm.NewOutputTarStream(files, storage.NewJSONUnpacker(&packed)))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of %d bytes", len(back), len(archive)), readErr
}
GO
go get github.com/vbatts/tar-split@v0.12.3 > go.txt 2>&1
go mod tidy >> go.txt 2>&1
go run . > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
[a b] 3072 of 3072 bytes <nil>
[a a] 1536 of 3072 bytes duplicates of file paths not supported
[a ./a] 1536 of 3072 bytes duplicates of file paths not supported
SEEN
echo "as recorded"
