#!/usr/bin/env bash
# skopeo 1.9.3 and podman 4.3.1 (Debian's packages), `docker-archive:` and `podman load` of a saved image that gzip has
# packed; and pgzip 1.2.5 (Go module), which both are built with.
#
# Guess: it is read, as one packed with xz, zstd or bzip2 is. Seen: `loading tar component manifest.json: unexpected EOF`,
# for every such file. The cause is in pgzip: what a Read has left of a block is missing from the io.Copy behind it, without
# an error (of 3 MiB the first one, of less everything). `oci-archive:` reads gzip. pgzip 1.2.6 copies it all.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
podman --version | grep -q ' 4\.3\.1' || { echo "needs podman 4.3.1"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

printf hello > file.txt
tar -cf layer.tar file.txt
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
  "$(sha256sum layer.tar | cut -d ' ' -f 1)" > config.json
printf '[{"Config":"config.json","RepoTags":["made/image:1"],"Layers":["layer.tar"]}]' > manifest.json
tar -cf saved.tar manifest.json config.json layer.tar
skopeo --policy policy.json copy docker-archive:saved.tar oci-archive:layout.tar:1 > out.txt 2>&1
copy() { rm -rf copied; skopeo --policy policy.json copy "$1" dir:copied > out.txt 2>&1 && echo copied || grep -o 'loading tar component manifest.json: .*EOF' out.txt; }
load() { podman --root "$work/root" --runroot "$work/run" --storage-driver vfs load -i "$1" > out.txt 2>&1 && echo loaded || grep -o 'loading tar component manifest.json: .*EOF' out.txt; }

same "skopeo, plain" "$(copy docker-archive:saved.tar)" copied
for packer in xz zstd bzip2; do
  $packer -c saved.tar > saved.packed
  same "skopeo, $packer" "$(copy docker-archive:saved.packed)" copied
  same "podman, $packer" "$(load saved.packed)" loaded
done
gzip -c saved.tar > saved.packed
same "skopeo, gzip" "$(copy docker-archive:saved.packed)" "loading tar component manifest.json: unexpected EOF"
same "podman, gzip" "$(load saved.packed)" "loading tar component manifest.json: unexpected EOF"
gzip -c layout.tar > layout.packed
same "skopeo, a layout" "$(copy oci-archive:layout.packed:1)" copied

cat > main.go <<'GO'
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/pgzip"
)

func main() {
	for _, size := range []int{5000, 3 << 20} {
		var packed, copied bytes.Buffer
		packer := gzip.NewWriter(&packed)
		packer.Write(make([]byte, size))
		packer.Close()
		reader, err := pgzip.NewReader(&packed)
		if err != nil {
			panic(err)
		}
		if _, err := io.ReadFull(reader, make([]byte, 8)); err != nil {
			panic(err)
		}
		_, err = io.Copy(&copied, reader)
		fmt.Println(size, copied.Len(), err)
	}
}
GO
for version in 1.2.5 1.2.6; do
  printf 'module made\n\ngo 1.24\n' > go.mod
  (go get github.com/klauspost/pgzip@v$version && go mod tidy) > go.txt 2>&1 || { cat go.txt; exit 1; }
  go run . > seen-$version.txt
done
diff seen-1.2.5.txt - <<'SEEN' || { echo CHANGED; exit 1; }
5000 0 <nil>
3145728 2097152 <nil>
SEEN
diff seen-1.2.6.txt - <<'SEEN' || { echo CHANGED; exit 1; }
5000 4992 <nil>
3145728 3145720 <nil>
SEEN
echo "as recorded"
