#!/usr/bin/env bash
# @snyk/snyk-docker-pull 3.17.1 (npm), `pull` of an OCI image (asked for with `acceptManifest`) into an archive.
#
# Guess: the archive's config is the registry's, to the byte. Seen: it is parsed and written anew, and keeps its old name.
# So its digest is wrong whenever JSON.stringify writes it otherwise than it was: Go writes the `&&` of a RUN line in the
# history as `\u0026\u0026`. skopeo 1.9.3 (Debian's package) does not copy such an archive.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
npm install --prefix "$work" --silent --no-audit --no-fund @snyk/snyk-docker-pull@3.17.1
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=made -addext subjectAltName=IP:127.0.0.1 \
  -keyout key.pem -out cert.pem 2> out.txt
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "127.0.0.1:$port", tls: { certificate: $work/cert.pem, key: $work/key.pem } }
YML
docker-registry serve config.yml > server.log 2>&1 &
server=$!
base=https://127.0.0.1:$port/v2
for _ in $(seq 100); do curl -sf --cacert cert.pem "$base/" > out.txt && break; sleep 0.1; done

printf hello > file.txt
tar -cf layer.tar file.txt
gzip -n layer.tar -k
digest() { echo "sha256:$(sha256sum "$1" | cut -d ' ' -f 1)"; }
upload() {
  location=$(curl -s --cacert cert.pem -o out.txt -D - -X POST "$base/made/image/blobs/uploads/" | grep -i '^location:' | cut -d ' ' -f 2 | tr -d '\r')
  curl -sf --cacert cert.pem -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$location&digest=$(digest "$1")"
}
oci=application/vnd.oci.image
cat > run.mjs <<'JS'
import { DockerPull } from "@snyk/snyk-docker-pull";
const [host] = process.argv.slice(2);
const acceptManifest = "application/vnd.oci.image.manifest.v1+json";
await new DockerPull().pull(host, "made/image", "1", { loadImage: false, imageSavePath: "pulled", reqOptions: { acceptManifest } });
JS
for history in 'make install' 'make \u0026\u0026 make install'; do
  printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["%s"]},"history":[{"created_by":"%s"}]}' \
    "$(digest layer.tar)" "$history" > config.json
  printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"%s.layer.v1.tar+gzip","digest":"%s","size":%s}]}' \
    $oci $oci "$(digest config.json)" "$(wc -c < config.json)" $oci "$(digest layer.tar.gz)" "$(wc -c < layer.tar.gz)" > manifest.json
  upload config.json
  upload layer.tar.gz
  curl -sf --cacert cert.pem -X PUT -H "Content-Type: $oci.manifest.v1+json" --data-binary @manifest.json "$base/made/image/manifests/1"
  rm -rf pulled
  mkdir pulled
  NODE_EXTRA_CA_CERTS=cert.pem node run.mjs "127.0.0.1:$port"
  name=$(digest config.json)
  tar -xOf pulled/image.tar "blobs/sha256/${name#sha256:}" > pulled/config.json
  case $history in
    *u0026*)
      grep -q 'u0026' config.json
      same "the config's text" "$(grep -c 'make && make install' pulled/config.json)" 1
      [ "$(digest pulled/config.json)" != "$name" ] || { echo "CHANGED: the config has its digest"; exit 1; }
      if skopeo --policy policy.json copy oci-archive:pulled/image.tar dir:copied > out.txt 2>&1; then echo "CHANGED: skopeo copies it"; exit 1; fi
      ;;
    *)
      same "a config without it" "$(digest pulled/config.json)" "$name"
      skopeo --policy policy.json copy oci-archive:pulled/image.tar dir:copied > out.txt 2>&1 || { cat out.txt; exit 1; }
      ;;
  esac
done
grep -q 'config.json digest .* does not match expected' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
