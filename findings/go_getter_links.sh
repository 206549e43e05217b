#!/usr/bin/env bash
# go-getter 1.7.9 (Go module; what Terraform fetches modules with), `TarDecompressor` of an archive with a hard link and a
# symbolic link.
#
# Guess: the links, copies of the file, or an error. Seen, without an error: both are files without contents. extract 4.0.0 (Go
# module) beside it makes both links.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir packed
printf hello > packed/a
ln packed/a packed/hard
ln -s a packed/symbolic
tar -C packed -cf packed.tar a hard symbolic

cat > go.mod <<'GO'
module made

go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"context"
	"os"

	"github.com/codeclysm/extract/v4"
	"github.com/hashicorp/go-getter"
)

func main() {
	check(new(getter.TarDecompressor).Decompress("go-getter", "packed.tar", true, 0))
	file, err := os.Open("packed.tar")
	check(err)
	check(extract.Archive(context.Background(), file, "extract", nil))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go get github.com/codeclysm/extract/v4@v4.0.0 github.com/hashicorp/go-getter@v1.7.9 > go.txt 2>&1
go mod tidy >> go.txt 2>&1
go run .
stat -c '%n %F %s' extract/* go-getter/* > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
extract/a regular file 5
extract/hard regular file 5
extract/symbolic symbolic link 1
go-getter/a regular file 5
go-getter/hard regular empty file 0
go-getter/symbolic regular empty file 0
SEEN
echo "as recorded"
