#!/usr/bin/env bash
# afero 1.15.0 (tarfs), archives 0.1.5 and go-tarfs 1.2.1 (Go modules), which show an archive as a file system.
#
# 1. A file with two names, a hard link. Guess: either name gives the contents. Seen in all three: the second is an empty file,
#    without an error.
# 2. A path twice, of which the last one counts. Seen: archives gives the first, and go-tarfs lists it twice.
# 3. A file in a folder that has no entry of its own. Seen: afero does not list it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir -p packed/folder
printf first > packed/a
printf inside > packed/folder/file
ln packed/a packed/hard
tar -C packed -cf made.tar a hard folder/file
ln packed/a packed/twice
tar -C packed --hard-dereference -rf made.tar twice
rm packed/twice
printf second > packed/twice
tar -C packed -rf made.tar twice

cat > go.mod <<'GO'
module made

go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/mholt/archives"
	"github.com/nlepage/go-tarfs"
	"github.com/spf13/afero"
	aferotar "github.com/spf13/afero/tarfs"
)

func main() {
	data, err := os.ReadFile("made.tar")
	check(err)
	list("afero", afero.NewIOFS(aferotar.New(tar.NewReader(bytes.NewReader(data)))))
	opened, err := archives.FileSystem(context.Background(), "made.tar", nil)
	check(err)
	list("archives", opened)
	read, err := tarfs.New(bytes.NewReader(data))
	check(err)
	list("go-tarfs", read)
}

func list(library string, files fs.FS) {
	fmt.Print(library)
	check(fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		fmt.Printf(" | %s: %s", path, data)
		return err
	}))
	fmt.Println()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go get github.com/mholt/archives@v0.1.5 github.com/nlepage/go-tarfs@v1.2.1 github.com/spf13/afero@v1.15.0 > go.txt 2>&1
go mod tidy >> go.txt 2>&1
go run . > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
afero | a: first | hard:  | twice: second
archives | a: first | folder/file: inside | hard:  | twice: first
go-tarfs | a: first | folder/file: inside | hard:  | twice: second | twice: second
SEEN
echo "as recorded"
