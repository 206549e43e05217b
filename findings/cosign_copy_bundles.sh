#!/usr/bin/env bash
# cosign 3.1.3 (Go module), `cosign copy` of an image that `cosign sign` signed as it comes, between repositories of a
# registry that lists referrers: that of go-containerregistry 0.22.1.
#
# Guess: the image and its signature, as `cosign copy` has it of signatures in the older form. Seen: a signature in the
# form that 3 writes (a bundle that is a referrer) stays behind, and `cosign verify` of the copy finds none. And the image
# stands under two tags: its own, and `sha256-` with its own digest, which is where clients look for a list of referrers
# (distribution-spec, "Referrers Tag Schema").
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
mkdir build
cd build
printf 'module made\n\ngo 1.26\n' > go.mod
go get github.com/sigstore/cosign/v3@v3.1.3 2> get.txt || { cat get.txt; exit 1; }
go build -mod=mod -o "$work/cosign" github.com/sigstore/cosign/v3/cmd/cosign
cd "$work"
export HOME=$work COSIGN_PASSWORD=
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
here=localhost:$port
for _ in $(seq 100); do ./crane catalog "$here" > out.txt 2>&1 && break; sleep 0.1; done
run() { ./cosign "$@" > out.txt 2>&1 || { cat out.txt; exit 1; }; }
key=(--key cosign.key --tlog-upload=false --use-signing-config=false -y)
verified() { # REPOSITORY: whether its image has a signature
  if ./cosign verify --key cosign.pub --insecure-ignore-tlog=true "$here/$1:1" > out.txt 2>&1; then echo yes; else echo no; fi
}
tags() { ./crane ls "$here/$1" | sort | sed "s/$(cut -d : -f 2 digest.txt)/HEX/" | tr '\n' ' '; }

echo hello > file.txt
tar -cf layer.tar file.txt
./crane append -f layer.tar -t "$here/new:1" > out.txt 2>&1
./crane copy "$here/new:1" "$here/old:1" > out.txt 2>&1
./crane digest "$here/new:1" > digest.txt
run generate-key-pair
run sign "${key[@]}" "$here/new@$(cat digest.txt)"
run sign "${key[@]}" --new-bundle-format=false "$here/old@$(cat digest.txt)"
for name in new old; do
  same "$name is signed" "$(verified $name)" yes
  run copy "$here/$name:1" "$here/$name-copy:1"
done
same "the copy of the older form" "$(verified old-copy)" yes
same "its tags" "$(tags old-copy)" "1 sha256-HEX sha256-HEX.sig "
same "the copy of the newer form" "$(verified new-copy)" no
same "its tags" "$(tags new-copy)" "1 sha256-HEX "
same "what the second tag is" "$(./crane digest "$here/new-copy:sha256-$(cut -d : -f 2 digest.txt)")" "$(cat digest.txt)"
echo "as recorded"
