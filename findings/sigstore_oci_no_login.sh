#!/usr/bin/env bash
# @sigstore/oci 0.7.2 (npm), `getImageDigest` and `attachArtifactToImage`, with distribution 2.8.2 (Debian's docker-registry).
#
# Guess: a registry that asks for no login takes an attestation like any other. Seen: both functions open an upload to be asked
# for one; where they are not asked, "Invalid challenge", for reading a digest too, and the upload stays open. Behind
# anything that asks for a name and a password both work.
set -euo pipefail
work=$(mktemp -d)
servers=()
stop() { for each in "${servers[@]}"; do kill "$each" 2> /dev/null || true; done; rm -rf "$work"; }
trap stop EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
npm init -y > npm.txt
npm install --silent --no-audit --no-fund @sigstore/oci@0.7.2

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
plain=$(free)
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "127.0.0.1:$plain" }
YML
docker-registry serve config.yml > server.log 2>&1 &
servers+=($!)
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$plain/v2/" > out.txt && break; sleep 0.1; done

# The same registry behind a name and a password.
asking=$(free)
cat > asking.js <<'JS'
const http = require("node:http");
const [port, registry] = process.argv.slice(2);
http.createServer((request, response) => {
  if (!request.headers.authorization) {
    request.resume();
    return response.writeHead(401, { "WWW-Authenticate": 'Basic realm="made"' }).end();
  }
  const { method, url, headers } = request;
  const passed = http.request({ port: registry, host: "127.0.0.1", method, path: url, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  request.pipe(passed);
}).listen(port, "127.0.0.1");
JS
node asking.js "$asking" "$plain" &
servers+=($!)
for _ in $(seq 100); do [ "$(curl -s -o out.txt -w '%{http_code}' "http://127.0.0.1:$asking/v2/")" = 401 ] && break; sleep 0.1; done

digest() { echo "sha256:$(sha256sum "$1" | cut -d ' ' -f 1)"; }
base=http://127.0.0.1:$plain/v2/made/image
printf '{}' > blob.json
location=$(curl -s -o out.txt -D - -X POST "$base/blobs/uploads/" | grep -i '^location:' | cut -d ' ' -f 2 | tr -d '\r')
curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary @blob.json "$location&digest=$(digest blob.json)"
manifest=application/vnd.oci.image.manifest.v1+json
empty="{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"$(digest blob.json)\",\"size\":2}"
printf '{"schemaVersion":2,"mediaType":"%s","artifactType":"application/x.made","config":%s,"layers":[%s]}' \
  "$manifest" "$empty" "$empty" > manifest.json
curl -sf -X PUT -H "Content-Type: $manifest" --data-binary @manifest.json "$base/manifests/1"
open() { find store -path '*/_uploads/*' -name startedat | wc -l; }

cat > run.js <<'JS'
const { attachArtifactToImage, getImageDigest } = require("@sigstore/oci");
const [port, imageDigest] = process.argv.slice(2);
const common = { imageName: `127.0.0.1:${port}/made/image`, credentials: { username: "a", password: "b" }, fetchOpts: { retry: 0 } };
const told = (promise) => promise.then(() => "done", ({ cause, message }) => `${cause?.message ?? message}`.trim());
(async () => {
  const artifact = { artifact: Buffer.from("{}"), mediaType: "application/x.signature", annotations: {} };
  console.log(await told(getImageDigest({ ...common, imageTag: "1" })));
  console.log(await told(attachArtifactToImage({ ...common, ...artifact, imageDigest })));
})();
JS
before=$(open)
same "without a login" "$(node run.js "$plain" "$(digest manifest.json)")" $'Invalid challenge:\nInvalid challenge:'
same "uploads that stay open" "$(($(open) - before))" 2
same "with a login" "$(node run.js "$asking" "$(digest manifest.json)")" $'done\ndone'
echo "as recorded"
