#!/usr/bin/env bash
# ociserver of CUE's ociregistry (Go module of 2026-06-01) over its memory, with DisableReferrersAPI; oras 1.3.6 (Go module), `oras attach`.
#
# Without the referrers API a client keeps a list under a tag, unless the answer to its push has OCI-Subject (distribution-spec,
# "Pushing Manifests with Subject"). Guess: with the API disabled the header is left out, oras writes the tag, and `oras discover`
# shows what was attached. Seen: the header comes all the same, no tag is written, and what was attached is found by nobody.
# Without the option it is found.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap '[ ${#servers[@]} = 0 ] || kill "${servers[@]}"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work DOCKER_CONFIG=$work/docker
go install oras.land/oras/cmd/oras@v1.3.6
mkdir registry && cd registry
cat > main.go <<'GO'
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	options := &ociserver.Options{DisableReferrersAPI: os.Args[1] == "without"}
	panic(http.Serve(listener, ociserver.New(ocimem.New(), options)))
}
GO
go mod init registry > init.log 2>&1
go get cuelabs.dev/go/oci/ociregistry@v0.0.0-20260601085548-328ff8e2c943 > get.log 2>&1
go build -o ../serve .
cd ..

printf text > note.txt
# Starts a registry; `found` is what discover shows of an image with one thing attached, and how many tags there are.
attach() {
  ./serve "$1" > "$1.host" &
  servers+=($!)
  for _ in $(seq 100); do [ -s "$1.host" ] && break; sleep 0.1; done
  image=$(cat "$1.host")/app:1
  ./oras push --plain-http "$image" note.txt > push.log
  ./oras attach --plain-http --artifact-type example/note "$image" note.txt > attach.log
  ./oras discover --plain-http "$image" > discovered
  found="$(grep -c example/note discovered || true), $(./oras repo tags --plain-http "${image%:*}" | wc -l) tag"
}
attach with
same "with the API" "$found" "1, 1 tag"
attach without
same "without it" "$found" "0, 1 tag"
echo "as recorded: what is attached without the API is found by nobody"
