#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane copy` and `crane pull --format oci` from a registry that answers a manifest with
# `Content-Type: application/vnd.oci.image.manifest.v1+json; charset=utf-8`, as servers and proxies add it.
#
# A media type may have parameters (RFC 9110, 8.3.1). Guess: the image, as with regctl 0.11.7, oras 1.3.6 (Go modules) and
# skopeo 1.9.3 (Debian's package). Seen, with exit code 0: crane takes the manifest for something that it does not know, so
# it copies neither the config nor the layers; a registry that does not look has a tag then whose blobs are not there. A pulled
# layout has the blobs, and a media type with `; charset=utf-8` in its index, which skopeo refuses.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap '[ ${#servers[@]} = 0 ] || kill "${servers[@]}"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free)
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
servers+=($!)
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
tar -cf layer.tar server.log
./crane append --oci-empty-base -f layer.tar -t "127.0.0.1:$port/made/image:1" > out.txt 2>&1
./crane mutate "127.0.0.1:$port/made/image:1" --set-platform linux/amd64 -t "127.0.0.1:$port/made/image:1" > out.txt 2>&1

cat > proxy.py <<'PY'
import http.server, sys, urllib.error, urllib.request

registry, port = sys.argv[1:]

class Handler(http.server.BaseHTTPRequestHandler):
    """Hands on what the registry answers, with a parameter behind the type of manifests."""

    def log_message(self, *words):
        pass

    def do_GET(self):
        headers = {name: self.headers[name] for name in ["Accept"] if name in self.headers}
        request = urllib.request.Request("http://" + registry + self.path, headers=headers, method=self.command)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        self.send_response(answer.status)
        for name in ["Content-Length", "Docker-Content-Digest"]:
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        kind = answer.headers.get("Content-Type", "application/octet-stream")
        self.send_header("Content-Type", kind + "; charset=utf-8" if "/manifests/" in self.path else kind)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer.read())

    do_HEAD = do_GET

http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
PY
from=$(free)
python3 proxy.py "127.0.0.1:$port" "$from" > proxy.log 2>&1 &
servers+=($!)
to=$(free)
./crane registry serve --address "127.0.0.1:$to" > to.log 2>&1 &
servers+=($!)
for one in "$from" "$to"; do
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$one/v2/" > out.txt && break; sleep 0.1; done
  ./regctl registry set --tls disabled "127.0.0.1:$one"
done
image=127.0.0.1:$from/made/image:1

blobs() { # the answers to HEAD of config and layer
  for digest in $(./crane manifest "127.0.0.1:$to/made/$1:1" | grep -oE 'sha256:[0-9a-f]{64}'); do
    curl -s -I -o out.txt -w '%{http_code} ' "http://127.0.0.1:$to/v2/made/$1/blobs/$digest"
  done
}
./crane copy "$image" "127.0.0.1:$to/made/crane:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "crane copy" "$(blobs crane)" "404 404 "
./regctl image copy "$image" "127.0.0.1:$to/made/regctl:1" > out.txt
same "regctl" "$(blobs regctl)" "200 200 "
./oras cp --from-plain-http "$image" --to-oci-layout by-oras:1 > out.txt
skopeo --policy policy.json copy --src-tls-verify=false "docker://$image" oci:by-skopeo:1 > out.txt 2>&1
./crane pull --format oci "$image" by-crane
kinds='import json, sys; print(json.load(open(sys.argv[1] + "/index.json"))["manifests"][0]["mediaType"])'
for layout in by-oras by-skopeo; do same $layout "$(python3 -c "$kinds" $layout)" application/vnd.oci.image.manifest.v1+json; done
same "by crane" "$(python3 -c "$kinds" by-crane)" "application/vnd.oci.image.manifest.v1+json; charset=utf-8"
if skopeo --policy policy.json copy oci:by-crane dir:copied > out.txt 2>&1; then echo "CHANGED: skopeo reads it"; exit 1; fi
grep -q 'unsupported schema version 2' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
