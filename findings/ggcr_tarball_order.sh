#!/usr/bin/env bash
# go-containerregistry 0.22.1 (Go module), `tarball.MultiWriteToFile` (`crane pull A B FILE` uses it): two images, one of which has
# two names, written many times.
#
# Guess: of the same images the same file comes. Seen: the names of one image come in any order, and so do the images, which are
# sorted by these; the file has another digest from run to run, and another image is the first.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > main.go <<'GO'
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	app, other := must(random.Image(64, 1)), must(random.Image(64, 1))
	files, names, configs := map[[32]byte]bool{}, map[string]bool{}, map[string]bool{}
	for range 100 {
		images := map[name.Tag]v1.Image{must(name.NewTag("b:1")): other}
		for _, text := range []string{"a:1", "c:1"} {
			images[must(name.NewTag(text))] = app
		}
		if err := tarball.MultiWriteToFile("out.tar", images); err != nil {
			panic(err)
		}
		files[sha256.Sum256(must(os.ReadFile("out.tar")))] = true
		order := ""
		for _, image := range must(tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open("out.tar") })) {
			order += image.Config
			if len(image.RepoTags) == 2 {
				names[fmt.Sprint(image.RepoTags)] = true
			}
		}
		configs[order] = true
	}
	fmt.Println("more than one file:", len(files) > 1)
	fmt.Println("more than one order of names:", len(names) > 1)
	fmt.Println("more than one order of images:", len(configs) > 1)
}
GO
(go mod init made && go get github.com/google/go-containerregistry@v0.22.1 && go mod tidy && go build -o made .) > go.txt 2>&1 || { cat go.txt; exit 1; }
./made > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
more than one file: true
more than one order of names: true
more than one order of images: true
SEEN
echo "as recorded"
