#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane mutate` and `crane append` of an index of linux/amd64 and linux/arm64.
#
# The help of each says `--platform ... (default all)`. Guess: each image of the index is changed, as with `crane flatten`
# and `crane copy`, or an error. Seen, with exit code 0: the tag that is asked for names one image, that of linux/amd64; the
# other is gone from it, without a word.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
image=127.0.0.1:$port/made/image
for architecture in amd64 arm64; do
  printf '%s' $architecture > file.txt
  tar -cf $architecture.tar file.txt
  ./crane append -f $architecture.tar -t "$image:plain-$architecture" > out.txt 2>&1
  ./crane mutate "$image:plain-$architecture" --set-platform linux/$architecture -t "$image:$architecture" > out.txt 2>&1
done
./crane index append -m "$image:amd64" -m "$image:arm64" -t "$image:both" > out.txt 2>&1
printf more > more.txt
tar -cf more.tar more.txt

./crane mutate --help | grep -q 'platform .*(default all)' || { echo "CHANGED: the help"; exit 1; }
./crane copy "$image:both" "$image:copied" > out.txt 2>&1
./crane flatten "$image:both" -t "$image:flat" > out.txt 2>&1
./crane mutate "$image:both" --label a=b -t "$image:mutated" > out.txt 2>&1
./crane append -b "$image:both" -f more.tar -t "$image:appended" > out.txt 2>&1

platforms='import json, sys; print([m["platform"]["architecture"] for m in json.load(sys.stdin).get("manifests", [])])'
for tag in both copied flat; do same $tag "$(./crane manifest "$image:$tag" | python3 -c "$platforms")" "['amd64', 'arm64']"; done
for tag in mutated appended; do
  same $tag "$(./crane manifest "$image:$tag" | python3 -c "$platforms")" "[]"
  same "$tag, which of them" "$(./crane config "$image:$tag" | python3 -c 'import json, sys; print(json.load(sys.stdin)["architecture"])')" amd64
done
echo "as recorded"
