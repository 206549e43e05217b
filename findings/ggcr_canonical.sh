#!/usr/bin/env bash
# go-containerregistry 0.22.1 (Go module), `mutate.Time` and `mutate.Canonical`, which set the times of an image so that a build
# can be repeated, on an OCI image for linux/arm/v7 with an annotation and one layer.
#
# Guess: what is no time stays. Seen with both: manifest, config and layer have Docker's types, the annotation is gone, and the
# image is for linux/arm of no variant.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > main.go <<'GO'
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func made() v1.Image {
	var layer bytes.Buffer
	writer := tar.NewWriter(&layer)
	writer.WriteHeader(&tar.Header{Name: "a.txt", Mode: 0o644, ModTime: time.Unix(1e9, 0)})
	writer.Close()
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil }
	one := must(tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer)))

	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image = must(mutate.AppendLayers(image, one))
	config := must(image.ConfigFile()).DeepCopy()
	config.OS, config.Architecture, config.Variant = "linux", "arm", "v7"
	return mutate.Annotations(must(mutate.ConfigFile(image, config)), map[string]string{"made": "yes"}).(v1.Image)
}

func tell(title string, image v1.Image) {
	manifest, config := must(image.Manifest()), must(image.ConfigFile())
	fmt.Println(title)
	for _, each := range []types.MediaType{manifest.MediaType, manifest.Config.MediaType, manifest.Layers[0].MediaType} {
		fmt.Println(" ", each)
	}
	fmt.Println(" ", config.Platform(), manifest.Annotations)
}

func main() {
	tell("before", made())
	tell("Time", must(mutate.Time(made(), time.Unix(0, 0))))
	tell("Canonical", must(mutate.Canonical(made())))
}
GO
(go mod init made && go get github.com/google/go-containerregistry@v0.22.1 && go mod tidy && go build -o made .) > go.txt 2>&1 || { cat go.txt; exit 1; }
./made > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
before
  application/vnd.oci.image.manifest.v1+json
  application/vnd.oci.image.config.v1+json
  application/vnd.oci.image.layer.v1.tar+gzip
  linux/arm/v7 map[made:yes]
Time
  application/vnd.docker.distribution.manifest.v2+json
  application/vnd.docker.container.image.v1+json
  application/vnd.docker.image.rootfs.diff.tar.gzip
  linux/arm map[]
Canonical
  application/vnd.docker.distribution.manifest.v2+json
  application/vnd.docker.container.image.v1+json
  application/vnd.docker.image.rootfs.diff.tar.gzip
  linux/arm map[]
SEEN
echo "as recorded"
