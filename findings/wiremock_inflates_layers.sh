#!/usr/bin/env bash
# wiremock-standalone 3.13.2 (Maven), `--proxy-all --preserve-host-header` before `crane registry serve` 0.22.1 (Go module).
#
# Guess: the body of a request goes on as it came, or it is refused. Seen: a body that is in gzip goes on inflated, with the
# length of that, though the request has no Content-Encoding. So a layer that is not compressed can be pushed through it, and
# one in gzip not: the registry finds another digest. What is read through it comes as it is.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap '[ ${#servers[@]} -eq 0 ] || kill "${servers[@]}"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -Dartifact=org.wiremock:wiremock-standalone:3.13.2 -DoutputDirectory=. > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
registry=127.0.0.1:$(port)
./crane registry serve --address "$registry" > registry.log 2>&1 &
servers+=($!)
front=$(port)
java -jar wiremock-standalone-3.13.2.jar --bind-address 127.0.0.1 --port "$front" --proxy-all "http://$registry" --preserve-host-header --root-dir "$work/root" > wiremock.log 2>&1 &
servers+=($!)
for _ in $(seq 300); do curl -sf "http://127.0.0.1:$front/v2/" > out.txt && break; sleep 0.1; done

printf '%2000s' hello > plain
gzip -n < plain > packed
digest() { echo "sha256:$(sha256sum "$1" | cut -d ' ' -f 1)"; }
push() { # HOST FILE
  local location
  location=$(curl -s -i -X POST "http://$1/v2/made/image/blobs/uploads/" | tr -d '\r' | sed -n 's/^location: //Ip')
  curl -s -o answer.txt -w '%{http_code}' -T "$2" -H 'Content-Type: application/octet-stream' "http://$1${location#"http://$1"}?digest=$(digest "$2")"
}
read_back() { curl -s "http://$1/v2/made/image/blobs/$(digest "$2")" | cmp -s - "$2" && echo whole || echo other; }
same "plain, through it" "$(push "127.0.0.1:$front" plain)" 201
same "plain, there" "$(read_back "$registry" plain)" whole
same "gzip, through it" "$(push "127.0.0.1:$front" packed)" 400
grep -q DIGEST_INVALID answer.txt || { echo "CHANGED: $(cat answer.txt)"; exit 1; }
same "gzip, to the registry" "$(push "$registry" packed)" 201
same "gzip, read through it" "$(read_back "127.0.0.1:$front" packed)" whole
echo "as recorded"
