#!/usr/bin/env bash
# oci-registry-client 0.2.0 and docker-registry-client 3.4.0 (npm) and crpy 0.4.0 (PyPI), beside crane 0.22.1 (Go module): a
# registry whose challenge names a token server with a query in its address (`realm="http://.../token?from=here"`), and one whose
# token server answers with `access_token` alone, as the registry's token specification lets it.
#
# Guess: all four are given a manifest, as crane is. Seen: all three put a second `?` into the address, so that the token server
# is asked for another thing; oci-registry-client reads no `access_token`, `did not include a token in the response`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
export DOCKER_CONFIG=$work/docker
npm install --silent --no-fund --no-audit oci-registry-client@0.2.0 docker-registry-client@3.4.0 > npm.txt 2>&1 || { cat npm.txt; exit 1; }
python3 -m venv python
python/bin/pip install -q crpy==0.4.0 > pip.txt 2>&1 || { cat pip.txt; exit 1; }

cat > serve.py <<'PY'
import http.server, json, os, threading, urllib.parse

TYPE = "application/vnd.docker.distribution.manifest.v2+json"
config = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": "sha256:" + "0" * 64, "size": 2}
layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": "sha256:" + "1" * 64, "size": 2}
manifest = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": config, "layers": [layer]}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        if address.path == "/token":
            query = urllib.parse.parse_qs(address.query)
            if self.server.kind == "query" and query.get("from") != ["here"]:
                return self.answer(403, b'{"errors":[{"code":"DENIED","message":"from %s"}]}' % query.get("from")[0].split("=")[0].encode())
            return self.answer(200, json.dumps({"access_token" if self.server.kind == "access" else "token": "made"}).encode())
        if self.headers.get("Authorization") != "Bearer made":
            at = f"http://127.0.0.1:{self.server.server_port}/token" + ("?from=here" if self.server.kind == "query" else "")
            return self.answer(401, b'{"errors":[]}', f'Bearer realm="{at}",service="made",scope="repository:app:pull"')
        self.answer(200, manifest)

    do_HEAD = do_GET

    def answer(self, status, body, challenge=None):
        self.send_response(status)
        self.send_header("Content-Type", TYPE if body is manifest else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words):
        pass


ports = []
for kind in ("plain", "query", "access"):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.kind = kind
    threading.Thread(target=server.serve_forever).start()
    ports.append(f"{kind} 127.0.0.1:{server.server_port}\n")
open("ports.new", "w").writelines(ports)
os.rename("ports.new", "ports.txt")
PY
python3 serve.py > server.log 2>&1 &
server=$!
for _ in $(seq 100); do [ -e ports.txt ] && break; sleep 0.1; done

cat > read.cjs <<'JS'
const [library, registry] = process.argv.slice(2);
console.error = () => {};

async function read() {
  if (library === "oci-registry-client") {
    const { RegistryClientV2, parseRepo } = require(library);
    return new RegistryClientV2({ repo: parseRepo(`${registry}/app`), insecure: true }).getManifest({ ref: "1" });
  }
  const client = require(library).createClientV2({ name: `${registry}/app`, insecure: true, maxSchemaVersion: 2 });
  try {
    await new Promise((read, failed) => client.getManifest({ ref: "1" }, (error) => error ? failed(error) : read()));
  } finally {
    client.close();
  }
}

read().then(() => console.log("read"), (error) => console.log(error.message.split("\n")[0]));
JS
cat > read.py <<'PY'
import asyncio, sys
from crpy.registry import RegistryInfo

try:
    print("read" if asyncio.run(RegistryInfo.from_url(f"http://{sys.argv[1]}/app:1").get_manifest()).status == 200 else "not read")
except Exception as error:
    print(str(error).replace(sys.argv[1], "HOST"))
PY
while read -r kind registry; do
  ./crane manifest --insecure "$registry/app:1" > out.txt 2>&1 && echo "$kind, crane: read" || echo "$kind, crane: $(tail -n 1 out.txt)"
  echo "$kind, oci-registry-client: $(node read.cjs oci-registry-client "$registry")"
  [ "$kind" = access ] || echo "$kind, docker-registry-client: $(node read.cjs docker-registry-client "$registry")"
  echo "$kind, crpy: $(python/bin/python read.py "$registry" 2> err.txt)"
done < ports.txt > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
plain, crane: read
plain, oci-registry-client: read
plain, docker-registry-client: read
plain, crpy: read
query, crane: read
query, oci-registry-client: authorization server did not include a token in the response
query, docker-registry-client: {"errors":[{"code":"DENIED","message":"from here?service"}]}
query, crpy: Could not authenticate at registry http://HOST/token?from=here?service=made&scope=repository:app:pull
access, crane: read
access, oci-registry-client: authorization server did not include a token in the response
access, crpy: read
SEEN
echo "as recorded"
