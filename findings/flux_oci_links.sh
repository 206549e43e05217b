#!/usr/bin/env bash
# fluxcd/pkg/oci 0.60.1 (Go module; what `flux push artifact` pushes with), a folder with a symbolic link to a file in it.
#
# Guess: the link comes back when the artifact is pulled, or the push is refused. Seen: Push and Pull end without an error,
# and the link is not there, nor is it in the layer: what is neither a file nor a folder is left out in silence. oras 1.3.6
# (Go module) keeps the same link.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
mkdir made
cat > made/go.mod <<'GO'
module made

go 1.25
GO
cat > made/main.go <<'GO'
package main

import (
	"context"
	"os"

	"github.com/fluxcd/pkg/oci"
)

func main() {
	client := oci.NewClient(oci.DefaultOptions())
	metadata := oci.Metadata{Source: "made", Revision: "1"}
	if _, err := client.Push(context.Background(), os.Args[1], "app", oci.WithPushMetadata(metadata)); err != nil {
		panic(err)
	}
	if _, err := client.Pull(context.Background(), os.Args[1], "by-flux"); err != nil {
		panic(err)
	}
}
GO
(cd made && go get github.com/fluxcd/pkg/oci@v0.60.1 && go mod tidy && go build -o ../flux .) > go.txt 2>&1 || { cat go.txt; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

mkdir app by-flux
echo 'kind: Made' > app/base.yaml
ln -s base.yaml app/current.yaml
./flux "127.0.0.1:$port/flux/app:1" || { echo CHANGED; exit 1; }
./oras push --plain-http "127.0.0.1:$port/oras/app:1" app > out.txt
./oras pull --plain-http --output by-oras "127.0.0.1:$port/oras/app:1" > out.txt
same flux "$(ls by-flux)" base.yaml
./crane export "127.0.0.1:$port/flux/app:1" flux.tar
same "the layer" "$(tar -tf flux.tar | grep yaml)" base.yaml
same oras "$(cd by-oras/app && echo *.yaml) $(readlink by-oras/app/current.yaml)" "base.yaml current.yaml base.yaml"
echo "as recorded"
