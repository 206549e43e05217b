#!/usr/bin/env bash
# charliecloud 0.31 (Debian's package, with python3-lark), `ch-image pull` and `ch-image push` with a registry over https.
#
# An upload's Location may be a path (distribution-spec, "Pushing a blob monolithically"), an image may have one layer twice, and
# its config no history (image-spec, config.md). Guess: all three are taken. Seen: push takes an address with its host and not
# a path, "No scheme supplied"; pull refuses a layer that comes twice, "duplicate non-empty layer", and a config without
# history, "missing history".
set -euo pipefail
work=$(mktemp -d)
server=
stop() { if [ -n "$server" ]; then kill "$server"; fi; rm -rf "$work"; }
trap stop EXIT
cd "$work"

program=$(command -v ch-image) || { echo "needs charliecloud"; exit 1; }
export USER=${USER:-root} LC_ALL=C.UTF-8 CH_IMAGE_STORAGE=$work/storage
ch() { REQUESTS_CA_BUNDLE=$work/cert.pem /usr/bin/python3 "$program" "$@"; }
ch --version | grep -qx '0\.31' || { echo "needs charliecloud 0.31"; exit 1; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2> openssl.txt
cat > registry.py <<'PYTHON'
import gzip, hashlib, http.server, io, json, ssl, tarfile

plain = io.BytesIO()
with tarfile.open(fileobj=plain, mode="w") as tar:
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        info = tarfile.TarInfo(folder)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
    tar.addfile(tarfile.TarInfo("etc/empty.txt"))
diff_id = "sha256:" + hashlib.sha256(plain.getvalue()).hexdigest()
blobs, manifests = {}, {}
OCI = "application/vnd.oci.image"

def put(data, kind):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"mediaType": f"{OCI}.{kind}", "digest": digest, "size": len(data)}

layer = put(gzip.compress(plain.getvalue(), mtime=0), "layer.v1.tar+gzip")
step = {"created": "2026-01-01T00:00:00Z", "created_by": "COPY"}
for tag, count, history in (("once", 1, [step]), ("twice", 2, [step, step]), ("bare", 1, None)):
    config = put(json.dumps({
        "architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id] * count},
        **({"history": history} if history else {}),
    }).encode(), "config.v1+json")
    manifests[tag] = json.dumps({
        "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": config, "layers": [layer] * count,
    }).encode()

class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        if self.path == "/v2/":
            self.answer(200)
        elif "/manifests/" in self.path and name in manifests:
            self.answer(200, manifests[name], Content_Type=f"{OCI}.manifest.v1+json")
        elif "/blobs/" in self.path and name in blobs:
            self.answer(200, blobs[name], Content_Type="application/octet-stream")
        else:
            self.answer(404)

    do_HEAD = do_GET

    def do_POST(self):
        path = self.path.rstrip("/") + "/1"
        whole = f"https://localhost:{self.server.server_port}{path}"
        self.answer(202, Location=path if "/by-path/" in path else whole)

    def do_PUT(self):
        length = self.headers.get("Content-Length")
        data = b""
        if length is not None:
            data = self.rfile.read(int(length))
        else:
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        blobs["sha256:" + hashlib.sha256(data).hexdigest()] = data
        self.answer(201, Location=self.path)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
/usr/bin/python3 registry.py > port.txt 2> server.txt &
server=$!
for _ in {1..100}; do [ -s port.txt ] && break; sleep 0.1; done
host=localhost:$(cat port.txt)
seen() { # REASON COMMAND...
  if ch "${@:2}" > out.txt 2>&1; then echo done; else grep -o "$1" out.txt | head -n 1 || tail -n 5 out.txt; fi
}
{
  echo "pull, a layer once: $(seen error pull "$host/made:once")"
  echo "pull, a layer twice: $(seen 'duplicate non-empty layer' pull "$host/made:twice")"
  echo "pull, no history: $(seen 'missing history' pull "$host/made:bare")"
  echo "push, Location a path: $(seen 'No scheme supplied' push "$host/made:once" "$host/by-path/made:1")"
  echo "push, Location with a host: $(seen error push "$host/made:once" "$host/by-host/made:1")"
} > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
pull, a layer once: done
pull, a layer twice: duplicate non-empty layer
pull, no history: missing history
push, Location a path: No scheme supplied
push, Location with a host: done
SEEN
echo "as recorded"
