#!/usr/bin/env bash
# docker-export 1.2.0 (PyPI), a public image of a registry that asks for no login: distribution 3.1.2 (Go module) with TLS.
#
# Guess: the image in a tar. Seen: `Extra data: line 1 column 5`, for /token of the registry is asked whether it wants a login
# or not, and `404 page not found` is read as JSON. crane 0.22.1 (Go module) pulls the same image.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
python3 -m venv python
python/bin/pip install -q docker-export==1.2.0 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost > openssl.txt 2>&1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > registry.yml <<YML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/store}}
http: {addr: "127.0.0.1:$port", tls: {certificate: $work/certificate.pem, key: $work/key.pem}}
YML
./registry serve registry.yml > server.log 2>&1 &
server=$!
export SSL_CERT_FILE=$work/certificate.pem REQUESTS_CA_BUNDLE=$work/certificate.pem
for _ in $(seq 100); do ./crane catalog "localhost:$port" > out.txt 2>&1 && break; sleep 0.1; done

echo text > a.txt
tar -cf layer.tar a.txt
./crane append --new_layer layer.tar --new_tag "localhost:$port/team/app:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
./crane pull "localhost:$port/team/app:1" by-crane.tar
same "crane" "$(tar -tf by-crane.tar | grep -c manifest.json)" 1
! python/bin/docker-export "localhost:$port/team/app:1" by-export.tar > out.txt 2>&1 || { echo "CHANGED: it is exported"; exit 1; }
same "docker-export" "$(grep -o 'ERROR: .*' out.txt)" "ERROR: Extra data: line 1 column 5 (char 4)"
echo "as recorded"
