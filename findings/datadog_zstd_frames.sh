#!/usr/bin/env bash
# DataDog/zstd 1.5.7 (Go module, with cgo), zstd bytes of two frames, and of a frame beside a skippable one (both valid, RFC 8878;
# layers of `zstd:chunked` images have both).
#
# Guess: the content, as gozstd 1.27.0 (Go module) gives it. Seen: NewReader gives the first frame and then `unexpected EOF`, as if
# the file were cut, and before a skippable frame in front nothing. Decompress reads two frames only when they do not tell
# their size.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

zstd --version | grep -q ' v1\.5\.' || { echo "needs zstd 1.5"; exit 1; }
echo first > first
echo second > second
zstd -q first second
skippable='\x50\x2a\x4d\x18\x04\x00\x00\x00made'
cat first.zst second.zst > sized.zst
(zstd -q -c < first; zstd -q -c < second) > unsized.zst
(printf "$skippable"; cat first.zst) > front.zst
(cat first.zst; printf "$skippable") > behind.zst

cat > go.mod <<'GO'
module made

go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/DataDog/zstd"
	"github.com/valyala/gozstd"
)

func main() {
	for _, name := range []string{"sized", "unsized", "front", "behind"} {
		data, err := os.ReadFile(name + ".zst")
		if err != nil {
			panic(err)
		}
		tell(name, "gozstd")(io.ReadAll(gozstd.NewReader(bytes.NewReader(data))))
		tell(name, "NewReader")(io.ReadAll(zstd.NewReader(bytes.NewReader(data))))
		tell(name, "Decompress")(zstd.Decompress(nil, data))
	}
}

func tell(words ...any) func([]byte, error) {
	return func(data []byte, err error) { fmt.Printf("%s %s %q %v\n", append(words, data, err)...) }
}
GO
go get github.com/DataDog/zstd@v1.5.7 github.com/valyala/gozstd@v1.27.0 > go.txt 2>&1
go run . > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
sized gozstd "first\nsecond\n" <nil>
sized NewReader "first\n" unexpected EOF
sized Decompress "first\n" unexpected EOF
unsized gozstd "first\nsecond\n" <nil>
unsized NewReader "first\n" unexpected EOF
unsized Decompress "first\nsecond\n" <nil>
front gozstd "first\n" <nil>
front NewReader "" unexpected EOF
front Decompress "" unexpected EOF
behind gozstd "first\n" <nil>
behind NewReader "first\n" unexpected EOF
behind Decompress "first\n" <nil>
SEEN
echo "as recorded"
