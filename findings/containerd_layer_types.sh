#!/usr/bin/env bash
# containerd 2.4.2 (Go module, core/images and core/diff): how a layer is unpacked is read off its media type.
#
# 1. `application/vnd.oci.image.layer.v1.tar.gzip` (a dot instead of a plus, as some tools wrote it): `IsLayerType` says
#    it is a layer, but there is no way to unpack it: `no processor for media-type`.
# 2. A gzip layer typed plain `.tar`. Guess: both formats' types behave alike. Seen: with Docker's `...rootfs.diff.tar`
#    the bytes are looked at and unpacked; with OCI's `...layer.v1.tar` they are passed on as they are, so the
#    "tar" that comes out is still gzip.
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
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/images"
)

func main() {
	var layer bytes.Buffer
	writer := gzip.NewWriter(&layer)
	writer.Write(make([]byte, 1024))
	writer.Close()
	for _, mediaType := range []string{
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.oci.image.layer.v1.tar",
	} {
		fmt.Println(mediaType, images.IsLayerType(mediaType), unpack(mediaType, layer.Bytes()))
	}
}

func unpack(mediaType string, layer []byte) string {
	chain := diff.NewProcessorChain(mediaType, bytes.NewReader(layer))
	processor, err := diff.GetProcessor(context.Background(), chain, nil)
	if err != nil {
		return err.Error()
	}
	data, err := io.ReadAll(processor)
	switch {
	case err != nil:
		return err.Error()
	case bytes.Equal(data, layer):
		return "as it was"
	case bytes.Equal(data, make([]byte, 1024)):
		return "unpacked"
	}
	return "something else"
}
GO
go get github.com/containerd/containerd/v2@v2.4.2 > go.txt 2>&1
go mod tidy >> go.txt 2>&1
go run . > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
application/vnd.oci.image.layer.v1.tar+gzip true unpacked
application/vnd.oci.image.layer.v1.tar.gzip true no processor for media-type
application/vnd.docker.image.rootfs.diff.tar true unpacked
application/vnd.oci.image.layer.v1.tar true as it was
SEEN
echo "as recorded"
