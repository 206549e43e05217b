#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image copy --referrers` from a registry that answers the list of referrers with 503 or 429
# while everything else works (that of go-containerregistry 0.22.1, behind a proxy that adds the list).
#
# Only 404 means that a registry has no such list (distribution-spec, "Listing Referrers"). Guess: another try, as regctl gives other
# requests, and then an error, as from `oras cp -r` (1.3.6, Go module). Seen: one request, exit code 0, and a copy without
# what refers to the image, here an SBOM; `regctl artifact list` tells of none.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap '[ ${#servers[@]} = 0 ] || kill "${servers[@]}"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free)
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
servers+=($!)
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
tar -cf layer.tar server.log
./crane append --oci-empty-base -f layer.tar -t "127.0.0.1:$port/made/image:1" > out.txt 2>&1
echo '{}' > sbom.json
./oras attach --plain-http --distribution-spec v1.1-referrers-api --artifact-type application/spdx+json --format json \
  "127.0.0.1:$port/made/image:1" sbom.json > attached.json
cat > list.py <<'PY'
import json

attached = json.load(open("attached.json"))
one = {name: attached[name] for name in ["mediaType", "digest", "size", "artifactType"]}
json.dump({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [one]}, open("referrers.json", "w"))
PY
python3 list.py
subject=$(./crane digest "127.0.0.1:$port/made/image:1")

cat > proxy.py <<'PY'
import http.server, sys, urllib.error, urllib.request

registry, port, subject = sys.argv[1:]
index = "application/vnd.oci.image.index.v1+json"

class Handler(http.server.BaseHTTPRequestHandler):
    status = 200

    def log_message(self, *words):
        pass

    def do_GET(self):
        if self.path.startswith("/status/"):
            Handler.status = int(self.path[8:])
            return self.tell(200, {}, b"")
        if "/referrers/" in self.path:
            print(self.path, flush=True)
            if self.status != 200:
                return self.tell(self.status, {}, b"{}")
            none = b'{"schemaVersion": 2, "mediaType": "%s", "manifests": []}' % index.encode()
            return self.tell(200, {"Content-Type": index}, open("referrers.json", "rb").read() if subject in self.path else none)
        headers = {name: self.headers[name] for name in ["Accept"] if name in self.headers}
        request = urllib.request.Request("http://" + registry + self.path, headers=headers, method=self.command)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        self.tell(answer.status, answer.headers, answer.read())

    def tell(self, status, headers, body):
        self.send_response(status)
        for name in ["Docker-Content-Digest", "Content-Type"]:
            if name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Length", headers.get("Content-Length", str(len(body))))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
PY
from=$(free)
python3 proxy.py "127.0.0.1:$port" "$from" "$subject" > asked.txt 2> proxy.log &
servers+=($!)
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$from/status/200" && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$from"
image=127.0.0.1:$from/made/image:1

manifests() { # LAYOUT: how many manifests are there
  grep -laF '"schemaVersion"' "$1"/blobs/sha256/* | xargs grep -laF '"config"' | wc -l
}
copy() { # STATUS: what regctl copies
  curl -sf "http://127.0.0.1:$from/status/$1"
  : > asked.txt
  ./regctl image copy --referrers "$image" "ocidir://by-regctl-$1:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
}
copy 200
same "with the list" "$(manifests by-regctl-200)" 2
for status in 503 429; do
  copy $status
  same "$status" "$(manifests by-regctl-$status)" 1
  same "$status, requests" "$(wc -l < asked.txt)" 1
  same "$status, list" "$(./regctl artifact list "$image" --format '{{len .Descriptors}}')" 0
  if timeout 60 ./oras cp -r --from-plain-http "$image" --to-oci-layout "by-oras-$status:1" > out.txt 2>&1; then
    echo "CHANGED: oras copies"; exit 1
  fi
done
echo "as recorded"
