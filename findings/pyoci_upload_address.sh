#!/usr/bin/env bash
# pyoci 0.2.1 (PyPI), `pyoci build --push` to two registries behind TLS by h2o 2.2.5 (Debian's package).
#
# A registry answers the start of an upload with an address, with or without a query. Guess: `digest=` is added as the
# address needs it. Seen: it is always added with `&`, so the push to distribution 3.1.2 (whose address has `?_state=`)
# ends well, and crane 0.22.1's registry (whose address has no query; both are Go modules) answers 400, `digest not
# specified`.
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
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install pyoci==0.2.1
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2> out.txt
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
distribution=127.0.0.1:$(port)
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "$distribution" }
YML
OTEL_TRACES_EXPORTER=none ./registry serve config.yml > server.log 2>&1 &
servers+=($!)
crane=127.0.0.1:$(port)
./crane registry serve --address "$crane" > crane.log 2>&1 &
servers+=($!)
before() { # NAME BEHIND: sets `address`, where TLS leads to BEHIND
  local listen=$(port)
  address=127.0.0.1:$listen
  {
    echo "listen: { host: 127.0.0.1, port: $listen, ssl: { certificate-file: $work/cert.pem, key-file: $work/key.pem } }"
    echo "hosts: { \"$address\": { paths: { \"/\": { proxy.reverse.url: \"http://$2/\", proxy.preserve-host: ON } } } }"
  } > "$1.conf"
  h2o -m worker -c "$1.conf" > "$1.log" 2>&1 &
  servers+=($!)
  for _ in $(seq 100); do curl -skf "https://$address/v2/" > out.txt && break; sleep 0.1; done
}

mkdir -p app/src/app
printf '[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.11"\n' > app/pyproject.toml
echo 'print("hello")' > app/src/app/__main__.py
printf hello > file.txt
tar -cf layer.tar file.txt
export SSL_CERT_FILE=$work/cert.pem
build() { (cd app && ../venv/bin/pyoci build --base-image "$address/base:1" --tag "$address/app:1" --push --no-progress) > out.txt 2>&1; }
for registry in "$distribution" "$crane"; do
  ./crane append --oci-empty-base -f layer.tar -t "$registry/base:plain" > out.txt 2>&1
  ./crane mutate --set-platform linux/amd64 "$registry/base:plain" -t "$registry/base:1" > out.txt 2>&1
done
before distribution "$distribution"
build || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "layers in distribution" "$(./crane manifest "$distribution/app:1" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["layers"]))')" 2
before crane "$crane"
if build; then echo "CHANGED: it is pushed"; exit 1; fi
grep -q 'Blob upload failed: 400 .*digest not specified' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
