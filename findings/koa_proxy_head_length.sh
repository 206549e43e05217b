#!/usr/bin/env bash
# koa-better-http-proxy 0.2.10 on koa 2.16.4 (npm), nothing set but where it leads and that the host stays, before
# distribution 3.1.2 (Go module).
#
# It reads an answer whole and tells the length of what it has read: a HEAD is answered with `Content-Length: 0`. Guess: at
# most something is sent twice. Seen: skopeo 1.9.3 (Debian's package) copies the same archive twice with exit code 0, and the
# second time it takes the length of each layer from the HEAD: the manifest under the tag is another one, whose layers have
# 0 bytes. crane 0.22.1 (Go module) cannot pull what the first copy had pushed well.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap 'for server in "${servers[@]}"; do kill "$server"; done; wait; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
npm install --silent --no-audit --no-fund koa@2.16.4 koa-better-http-proxy@0.2.10 > out.txt
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
direct=127.0.0.1:$(port)
front=127.0.0.1:$(port)
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "$direct" }
YML
OTEL_TRACES_EXPORTER=none ./registry serve config.yml > server.log 2>&1 &
servers+=($!)
cat > front.js <<JS
const Koa = require("koa");
const proxy = require("koa-better-http-proxy");
new Koa().use(proxy("http://$direct", { preserveHostHdr: true, limit: "10mb" })).listen(${front#*:}, "127.0.0.1");
JS
node front.js > front.log 2>&1 &
servers+=($!)
for _ in $(seq 300); do curl -sf "http://$front/v2/" > out.txt && break; sleep 0.1; done

head -c 100000 /dev/urandom > file.bin
tar -cf layer.tar file.bin
./crane append --oci-empty-base -f layer.tar -t "$direct/made/source:1" > out.txt 2>&1
skopeo --policy policy.json copy --src-tls-verify=false "docker://$direct/made/source:1" docker-archive:image.tar:made:1 > out.txt 2>&1
push() { skopeo --policy policy.json copy --dest-tls-verify=false docker-archive:image.tar "docker://$front/app:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }; }
layer() { ./crane manifest "$direct/app:1" | python3 -c "import json, sys; print(json.load(sys.stdin)['layers'][0]['$1'])"; }

push
digest=$(layer digest)
[ "$(layer size)" -gt 100000 ] || { echo "CHANGED: the first push says $(layer size)"; exit 1; }
./crane pull "$direct/app:1" first.tar > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
head_length=$(curl -sI "http://$front/v2/app/blobs/$digest" | tr -d '\r' | grep -i '^content-length:' | cut -d ' ' -f 2)
same "the length that HEAD tells" "$head_length" 0
push
same "the layer after the second push" "$(layer digest)" "$digest"
same "its size" "$(layer size)" 0
if ./crane pull "$direct/app:1" second.tar > out.txt 2>&1; then echo "CHANGED: crane pulls it"; exit 1; fi
echo "as recorded"
