#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), an image of `docker save` copied to a repository that has the same layer compressed with
# zstd, as a copy with `--dest-compress-format zstd` left it there.
#
# Guess: the image as any other repository gets it: Docker's manifest, the config of the archive, a gzip layer. Seen: the
# zstd layer in an OCI manifest, and a config with another digest, so that the image has another id in each of two
# repositories. Another repository of the same registry gets what was expected.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

# What skopeo has seen it remembers across calls: the content is new each time.
mkdir app
python3 - <<'PY'
import hashlib, io, json, os, tarfile

def sha256(data):
    return hashlib.sha256(data).hexdigest()

text = os.urandom(16).hex().encode() * 100
out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    entry = tarfile.TarInfo("a.txt")
    entry.size = len(text)
    tar.addfile(entry, io.BytesIO(text))
layer = out.getvalue()
rootfs = {"type": "layers", "diff_ids": ["sha256:" + sha256(layer)]}
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
open("app/layer.tar", "wb").write(layer)
open(f"app/{sha256(config)}.json", "wb").write(config)
open("config", "w").write(sha256(config))
json.dump([{"Config": sha256(config) + ".json", "RepoTags": ["app:1"], "Layers": ["layer.tar"]}], open("app/manifest.json", "w"))
PY
tar -cf app.tar -C app .
copy() { skopeo --policy policy.json copy --dest-tls-verify=false "$@" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }; }
show() { ./crane manifest "127.0.0.1:$port/$1" | python3 -c '
import json, sys
manifest = json.load(sys.stdin)
own = "sha256:" + open("config").read()
print(manifest["mediaType"].split("vnd.")[1].split(".")[0], manifest["layers"][0]["mediaType"].split(".tar")[1][1:],
      "own config" if manifest["config"]["digest"] == own else "another config")'; }
copy --format oci --dest-compress-format zstd docker-archive:app.tar "docker://127.0.0.1:$port/app:zstd"
copy docker-archive:app.tar "docker://127.0.0.1:$port/app:1"
copy docker-archive:app.tar "docker://127.0.0.1:$port/other:1"
same "the same repository" "$(show app:1)" "oci zstd another config"
same "another repository" "$(show other:1)" "docker gzip own config"
echo "as recorded"
