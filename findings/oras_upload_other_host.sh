#!/usr/bin/env bash
# oras 1.3.6, beside crane 0.22.1 and regctl 0.11.7 (Go modules) and oras 0.2.43 for Python (PyPI): a registry whose answer to POST
# names another host for the upload, as the distribution spec lets it (a Location is any URL). Here that is another port.
#
# Guess: the file is uploaded there. Seen: the other three do so; oras stops, for the Location "is on a different host", and has no
# option to let it.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap 'for server in "${servers[@]}"; do kill "$server"; done; rm -rf "$work"' EXIT
cd "$work"

export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6
python3 -m venv python
python/bin/pip install -q oras==0.2.43 > pip.txt 2>&1 || { cat pip.txt; exit 1; }

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
servers+=($!)
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
cat > front.py <<'PY'
import http.client, http.server, os, sys

behind = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(behind)
        connection.request(self.command, self.path, body, {key: self.headers[key] for key in ("Content-Type", "Accept") if key in self.headers})
        answer = connection.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key == "Location" and self.command == "POST":
                value = f"http://{behind}{value}"
            if key not in ("Content-Length", "Transfer-Encoding", "Connection"):
                self.send_header(key, value)
        self.send_header("Content-Length", answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = pass_on

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("address.new", "w").write(f"127.0.0.1:{server.server_port}")
os.rename("address.new", "address.txt")
server.serve_forever()
PY
python3 front.py "127.0.0.1:$port" > front.log 2>&1 &
servers+=($!)
for _ in $(seq 100); do [ -e address.txt ] && break; sleep 0.1; done
registry=$(cat address.txt)

echo text > a.txt
tar -cf layer.tar a.txt
for host in "$registry" "127.0.0.1:$port"; do ./regctl registry set "$host" --tls disabled > out.txt 2>&1; done
./crane append --insecure --new_layer layer.tar --new_tag "$registry/crane:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
./regctl artifact put --file a.txt --artifact-type application/x.made "$registry/regctl:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
cat > push.py <<'PY'
import sys
from oras.client import OrasClient

OrasClient(hostname=sys.argv[1], insecure=True).push(target=sys.argv[1] + "/python:1", files=["a.txt"])
PY
python/bin/python push.py "$registry" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo other > b.txt
if ./oras push --plain-http "$registry/oras:1" b.txt > out.txt 2>&1; then echo "CHANGED: oras uploads"; exit 1; fi
grep -q "blob upload Location \"127.0.0.1:$port\" is on a different host than the registry \"$registry\"" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
there=$(./crane catalog --insecure "127.0.0.1:$port" | sort | xargs)
[ "$there" = "crane python regctl" ] || { echo "CHANGED: $there"; exit 1; }
echo "as recorded"
