#!/usr/bin/env bash
# container-image-builder 3.2.0 (npm), the client of a registry in it, with docker-registry (Debian's, 2.8.2).
#
# Guess: a layer is uploaded from a stream as it is from a buffer, and a blob that cannot be mounted is sent. Seen: the
# PATCH that the stream goes in is answered 202, as the distribution specification has it, and that is an `unexpected
# status code`: 204 alone is taken. A mount that is answered with an upload (202) is a `mount failed`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
npm init -y > npm.txt
npm install --ignore-scripts container-image-builder@3.2.0 cross-spawn@7.0.6 > npm.txt 2>&1 || { cat npm.txt; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "127.0.0.1:$port" }
YML
docker-registry serve config.yml > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

cat > made.js <<'JS'
const { Readable } = require("stream");
const { RegistryClient } = require("container-image-builder");

const client = new RegistryClient(`127.0.0.1:${process.argv[2]}`, "team/app", {});
const message = (error) => error.message.split(/ for (?:patch|sha256)/)[0];
(async () => {
  const { digest } = await client.upload(Buffer.from("a layer"));
  console.log("buffer:", await client.blobExists(digest));
  console.log("stream:", await client.upload(Readable.from([Buffer.from("another layer")])).then(() => "sent", message));
  console.log("mount:", await client.mount(`sha256:${"0".repeat(64)}`, "team/base").then(() => "done", message));
})();
JS
node made.js "$port" > seen.txt 2> warnings.txt || { cat warnings.txt; exit 1; }
same buffer "$(sed -n 's/^buffer: //p' seen.txt)" true
same stream "$(sed -n 's/^stream: //p' seen.txt)" "unexpected status code 202"
same mount "$(sed -n 's/^mount: //p' seen.txt)" "mount failed"
curl -s -X PATCH -H 'Content-Type: application/octet-stream' --data-binary layer -o out.txt -w '%{http_code}' \
  "$(curl -s -X POST -D - "http://127.0.0.1:$port/v2/team/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')" > status.txt
same "PATCH of curl" "$(cat status.txt)" 202
echo "as recorded"
