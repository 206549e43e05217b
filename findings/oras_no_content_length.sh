#!/usr/bin/env bash
# oras 1.3.6 (Go module), beside crane 0.22.1, regctl 0.11.7 (Go modules) and skopeo 1.9.3 (Debian's package): a registry whose
# answers with a manifest have no Content-Length, as where something on the way streams or compresses answers.
#
# They may leave it out (RFC 9110, 8.6); the digest is there. Guess: the manifest is read to its end, as by the others. Seen: `oras
# cp`, `resolve` and `manifest fetch` all end with `unknown response Content-Length`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

cat > server.py <<'PY'
import hashlib, http.server, json, sys

kind = "application/vnd.oci.image.manifest.v1+json"
empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + hashlib.sha256(b"{}").hexdigest(), "size": 2}
manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "artifactType": "application/vnd.made", "config": empty, "layers": [empty]})

class Handler(http.server.BaseHTTPRequestHandler):
    length = True

    def log_message(self, *words):
        pass

    def do_GET(self):
        if self.path.startswith("/length/"):
            Handler.length = self.path.endswith("yes")
        is_manifest = "/manifests/" in self.path
        text = manifest if is_manifest else "{}"
        self.send_response(404 if "/referrers/" in self.path else 200)
        if is_manifest:
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(manifest.encode()).hexdigest())
        if self.length or not is_manifest:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text.encode())

    do_HEAD = do_GET

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 server.py "$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/length/yes" > out.txt && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"
image=127.0.0.1:$port/made/image:1

try() { # NAME COMMAND...: prints the name if the command ends well
  if timeout 30 "${@:2}" > out.txt 2>&1; then
    printf ' %s' "$1"
  elif grep -q 'unknown response Content-Length' out.txt; then
    printf ' -%s' "$1"
  fi
}
for length in yes no; do
  curl -sf "http://127.0.0.1:$port/length/$length" > out.txt
  printf '%s:' $length
  try crane ./crane pull --format oci "$image" by-crane-$length
  try regctl ./regctl image copy "$image" ocidir://by-regctl-$length:1
  try skopeo skopeo --policy policy.json copy --src-tls-verify=false "docker://$image" oci:by-skopeo-$length:1
  try cp ./oras cp --from-plain-http "$image" --to-oci-layout by-oras-$length:1
  try resolve ./oras resolve --plain-http "$image"
  try fetch ./oras manifest fetch --plain-http "$image"
  echo
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
yes: crane regctl skopeo cp resolve fetch
no: crane regctl skopeo -cp -resolve -fetch
SEEN
echo "as recorded"
