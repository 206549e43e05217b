#!/usr/bin/env bash
# oras-go 2.7.0 and go-containerregistry 0.22.1 (Go modules; oras and crane read names with them), beside regclient 0.11.7 and
# Docker's own parser, distribution/reference 0.6.0.
#
# Guess: a full name is the same repository for all. Seen:
# - `docker.io/app:1`: oras-go knows that this registry answers at registry-1.docker.io, and asks there for `app`, where the
#   others put `library/` in front;
# - `REG/app:1`, a registry in upper case without a dot: go-containerregistry refuses it, and takes `REG:5000/app:1`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > main.go <<'GO'
package main

import (
	"fmt"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/regclient/regclient/types/ref"
	"oras.land/oras-go/v2/registry"
)

func tell(library string, err error, parts ...string) {
	if err != nil {
		parts = []string{"refused"}
	}
	fmt.Println(" ", library, parts)
}

func main() {
	for _, text := range []string{"docker.io/app:1", "REG/app:1", "REG:5000/app:1"} {
		fmt.Println(text)
		docker, err := reference.ParseNormalizedNamed(text)
		tell("docker", err, reference.Domain(docker), reference.Path(docker))
		regclient, err := ref.New(text)
		tell("regclient", err, regclient.Registry, regclient.Repository)
		if ggcr, err := name.ParseReference(text); err != nil {
			tell("ggcr", err)
		} else {
			tell("ggcr", err, ggcr.Context().RegistryStr(), ggcr.Context().RepositoryStr())
		}
		oras, err := registry.ParseReference(text)
		tell("oras", err, oras.Host(), oras.Repository)
	}
}
GO
(go mod init made && go get github.com/distribution/reference@v0.6.0 github.com/google/go-containerregistry@v0.22.1 \
  github.com/regclient/regclient@v0.11.7 oras.land/oras-go/v2@v2.7.0 && go build -o made .) > go.txt 2>&1 || { cat go.txt; exit 1; }
./made > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
docker.io/app:1
  docker [docker.io library/app]
  regclient [docker.io library/app]
  ggcr [index.docker.io library/app]
  oras [registry-1.docker.io app]
REG/app:1
  docker [REG app]
  regclient [REG app]
  ggcr [refused]
  oras [REG app]
REG:5000/app:1
  docker [REG:5000 app]
  regclient [REG:5000 app]
  ggcr [REG:5000 app]
  oras [REG:5000 app]
SEEN
echo "as recorded"
