#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane export` of an image whose first layer has a file `a` and `b`, a hard link to it.
#
# In the image `b` keeps its contents whatever a later layer does to `a` (a container engine unpacks layer by layer).
# Guess: so it does in the exported tar. Seen:
# - a later layer deletes `a`: the tar has `b` as a link to `a`, and no `a`, so tar cannot unpack it;
# - a later layer replaces `a`: the tar has the new `a` and `b` as a link to it, so `b` unpacks to the new contents.
# Both end with exit code 0. `crane flatten` uses the same code.
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

printf old > a
ln a b
tar -cf linked.tar a b
rm a b
: > .wh.a
tar -cf deleted.tar .wh.a
printf new > a
tar -cf replaced.tar a
for layer in deleted replaced; do
  image=127.0.0.1:$port/made/$layer:1
  ./crane append -f linked.tar -f $layer.tar -t "$image" > out.txt 2>&1
  ./crane export "$image" $layer.out.tar > out.txt 2>&1
done

entries='import sys, tarfile; print([(m.name, m.linkname) for m in tarfile.open(sys.argv[1])])'
same deleted "$(python3 -c "$entries" deleted.out.tar)" "[('b', 'a')]"
same replaced "$(python3 -c "$entries" replaced.out.tar)" "[('a', ''), ('b', 'a')]"
mkdir unpacked
tar -xf replaced.out.tar -C unpacked
same "b unpacked" "$(cat unpacked/b)" new
echo "as recorded"
