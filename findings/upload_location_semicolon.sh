#!/usr/bin/env bash
# crane 0.22.1, oras 1.3.6, regctl 0.11.7 (Go modules) and skopeo 1.9.3 (Debian's package): a push to a registry whose upload
# has an address with a semicolon in its query, `?state=a;b`.
#
# A semicolon may stand there (RFC 3986, 3.4), and the address is not to be taken apart (distribution-spec, "Pushing blobs"). Guess:
# `digest` is added and the rest stays. Seen: the last request of crane, oras and skopeo has `digest` alone; `state` is gone,
# without a word, and the registry does not know the upload (404). regctl keeps it. All keep `?state=a+b` and `?state=YQ==`.
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

cat > make.py <<'PY'
import hashlib, json, os

os.makedirs("image/blobs/sha256")
oci = "application/vnd.oci.image."

def blob(value, media_type, **more):
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    open("image/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

config = blob({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}, oci + "config.v1+json")
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": []}
named = blob(manifest, manifest["mediaType"], annotations={"org.opencontainers.image.ref.name": "1"})
json.dump({"schemaVersion": 2, "manifests": [named]}, open("image/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("image/oci-layout", "w"))
PY
python3 make.py
cat > server.py <<'PY'
import hashlib, http.server, sys, urllib.parse

class Handler(http.server.BaseHTTPRequestHandler):
    """Takes blobs at the address that it gives, and nowhere else; keeps only what it has been sent last."""

    protocol_version = "HTTP/1.1"
    query = "state=ab"
    kept = {}

    def log_message(self, *words):
        pass

    def answer(self, status, text=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        if self.path.startswith("/query/"):
            Handler.query = name
            Handler.kept = {}
        if name in self.kept:
            digest, kind, data = self.kept[name]
            return self.answer(200, data, Docker_Content_Digest=digest, Content_Type=kind)
        self.answer(404 if "/made/image/" in self.path else 200, b"{}")

    do_HEAD = do_GET

    def do_POST(self):
        self.body()
        self.answer(202, Location="/v2/made/image/blobs/uploads/1?" + self.query)

    def do_PATCH(self):
        self.data = self.body()
        Handler.sent = self.data
        self.answer(202, Location="/v2/made/image/blobs/uploads/1?" + self.query, Range=f"0-{len(self.data) - 1}")

    def do_PUT(self):
        data = self.body()
        url = urllib.parse.urlparse(self.path)
        if "/blobs/" in self.path:
            rest = [part for part in url.query.split("&") if not part.startswith("digest=")]
            if [urllib.parse.unquote(part) for part in rest] != [urllib.parse.unquote(self.query)]:
                return self.answer(404)
            data = data or Handler.sent
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        for name in [digest, url.path.rsplit("/", 1)[1]]:
            Handler.kept[name] = digest, self.headers.get("Content-Type", "application/octet-stream"), data
        self.answer(201, Location=url.path, Docker_Content_Digest=digest)

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 server.py "$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/query/state=ab" > out.txt && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"
image=127.0.0.1:$port/made/image:1

try() { # NAME COMMAND...: prints the name if the command ends well
  curl -sf "http://127.0.0.1:$port/query/$query" > out.txt
  if timeout 30 "${@:2}" > out.txt 2>&1; then printf ' %s' "$1"; fi
}
for query in 'state=ab' 'state=a+b' 'state=YQ==' 'state=a;b'; do
  printf '%s' "$query:"
  try crane ./crane push image "$image"
  try regctl ./regctl image copy ocidir://image:1 "$image"
  try oras ./oras cp --from-oci-layout image:1 --to-plain-http "$image"
  try skopeo skopeo --policy policy.json copy --dest-tls-verify=false oci:image:1 "docker://$image"
  echo
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
state=ab: crane regctl oras skopeo
state=a+b: crane regctl oras skopeo
state=YQ==: crane regctl oras skopeo
state=a;b: regctl
SEEN
echo "as recorded"
