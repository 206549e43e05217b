#!/usr/bin/env bash
# h2o 2.2.5 (Debian's package), `proxy.reverse.url` to distribution 3.1.2 (Go module), with and without TLS.
#
# h2o puts its own address into a Location that begins with the URL of the one behind. Guess: with TLS as well as without.
# Seen: without, an upload gets h2o's address. With TLS h2o also tells the registry that the client's scheme is https, the
# registry writes `https://` before its own address, and that is no longer the URL that h2o looks for: the Location is
# https to the registry's port, and a push with crane 0.22.1 (Go module) fails. With `proxy.preserve-host: ON` it ends well.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap 'for server in "${servers[@]}"; do kill "$server"; done; wait; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

h2o --version 2>&1 | grep -q 'version 2\.2\.5' || { echo "needs h2o 2.2.5"; exit 1; }
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2> out.txt
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
behind=127.0.0.1:$(port)
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "$behind" }
YML
OTEL_TRACES_EXPORTER=none ./registry serve config.yml > server.log 2>&1 &
servers+=($!)

start() { # NAME TLS PRESERVE: sets `address`
  local listen=$(port)
  address=127.0.0.1:$listen
  {
    echo "listen: { host: 127.0.0.1, port: $listen$2 }"
    echo "hosts: { \"$address\": { paths: { \"/\": { proxy.reverse.url: \"http://$behind/\", proxy.preserve-host: $3 } } } }"
  } > "$1.conf"
  h2o -m worker -c "$1.conf" > "$1.log" 2>&1 &
  servers+=($!)
  for _ in $(seq 100); do curl -skf "${4:-https}://$address/v2/" > out.txt && break; sleep 0.1; done
}
location() { curl -sk -o out.txt -D headers.txt -X POST "$1/v2/made/image/blobs/uploads/"; grep -i '^location:' headers.txt | cut -d ' ' -f 2 | cut -d / -f 1-3; }
tls=", ssl: { certificate-file: $work/cert.pem, key-file: $work/key.pem }"

start plain "" OFF http
same "without TLS" "$(location "http://$address")" "http://$address"
start tls "$tls" OFF
same "with TLS" "$(location "https://$address")" "https://$behind"
printf hello > file.txt
tar -cf layer.tar file.txt
push() { SSL_CERT_FILE=$work/cert.pem ./crane append --oci-empty-base -f layer.tar -t "$address/made/image:1" > out.txt 2>&1; }
if push; then echo "CHANGED: it is pushed"; exit 1; fi
start preserving "$tls" ON
same "with preserve-host" "$(location "https://$address")" "https://$address"
push || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
