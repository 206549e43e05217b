#!/usr/bin/env bash
# containerd 2.4.2 (Go module, core/images/archive: `ctr image import`), an unpacked `docker save` that has a layer twice,
# packed again with GNU tar.
#
# `docker save` before 25 writes the second of two equal layers as a symbolic link to the first, and that is imported.
# Guess: so is a hard link, as GNU tar writes for a file with two names, once a program such as `jdupes -L` has found them
# equal. Seen: `layer "b/layer.tar" not found`. go-containerregistry 0.22.1 (Go module, as in crane) reads both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir -p saved/a saved/b
printf hello > hello
tar -cf saved/a/layer.tar hello
digest=$(sha256sum saved/a/layer.tar | cut -d ' ' -f 1)
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s","sha256:%s"]}}' \
  "$digest" "$digest" > saved/config.json
printf '[{"Config":"config.json","RepoTags":["made/image:1"],"Layers":["a/layer.tar","b/layer.tar"]}]' > saved/manifest.json
ln -s ../a/layer.tar saved/b/layer.tar
tar -C saved -cf symbolic.tar a b config.json manifest.json
ln -f saved/a/layer.tar saved/b/layer.tar
tar -C saved -cf hard.tar a b config.json manifest.json

cat > go.mod <<'GO'
module made

go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	for _, name := range []string{"symbolic", "hard"} {
		fmt.Println(name, "containerd:", imported(name), "crane:", read(name))
	}
}

func imported(name string) string {
	store, err := local.NewStore(name)
	if err != nil {
		return err.Error()
	}
	file, err := os.Open(name + ".tar")
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if _, err := archive.ImportIndex(context.Background(), store, file); err != nil {
		return err.Error()
	}
	return "imported"
}

func read(name string) string {
	image, err := tarball.ImageFromPath(name+".tar", nil)
	if err != nil {
		return err.Error()
	}
	layers, err := image.Layers()
	if err != nil {
		return err.Error()
	}
	for _, layer := range layers {
		if _, err := layer.Digest(); err != nil {
			return err.Error()
		}
	}
	return fmt.Sprint(len(layers), " layers")
}
GO
go get github.com/containerd/containerd/v2@v2.4.2 github.com/google/go-containerregistry@v0.22.1 > go.txt 2>&1
go mod tidy >> go.txt 2>&1
go run . > seen.txt 2> log.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
symbolic containerd: imported crane: 2 layers
hard containerd: failed to resolve layers: layer "b/layer.tar" not found crane: 2 layers
SEEN
echo "as recorded"
