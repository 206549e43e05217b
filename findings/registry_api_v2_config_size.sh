#!/usr/bin/env bash
# registry-api-v2-client 1.2.0 (PyPI), `push_docker_tar` of an archive as Docker 25 and later save it.
#
# Guess: the manifest names the size that the config has. Seen: the size is that of all layers together. The registry takes
# it (crane's here; distribution does as well) and the call ends well, but the image cannot be pulled: crane 0.22.1, oras
# 1.3.6 and regctl 0.11.7 refuse a config of another length than said.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
GOBIN=$work go install oras.land/oras/cmd/oras@v1.3.6
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install registry-api-v2-client==1.2.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

cat > make.py <<'PY'
import hashlib, io, json, tarfile

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()

def blob(data):
    return "blobs/sha256/" + hashlib.sha256(data).hexdigest(), data

layers = [tar([("a", b"one")]), tar([("b", b"two")])]
diff_ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
blobs = [blob(json.dumps(config).encode()), *(blob(layer) for layer in layers)]
sources = {digest: {"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": len(layer), "digest": digest}
           for digest, layer in zip(diff_ids, layers)}
manifest = [{"Config": blobs[0][0], "RepoTags": ["made/image:1"], "Layers": [name for name, _ in blobs[1:]],
             "LayerSources": sources}]
open("saved.tar", "wb").write(tar([*blobs, ("manifest.json", json.dumps(manifest).encode())]))
print(len(blobs[0][1]), sum(len(layer) for layer in layers))
PY
read -r config layers <<< "$(python3 make.py)"
venv/bin/python -c "import asyncio; from registry_api_v2_client.push import push_docker_tar
asyncio.run(push_docker_tar('saved.tar', 'http://127.0.0.1:$port'))"

image=127.0.0.1:$port/made/image:1
member() { ./crane manifest "$image" | python3 -c "import json, sys; print(json.load(sys.stdin)[\"config\"][\"$1\"])"; }
same size "$(member size)" "$layers"
same "length of the blob" "$(./crane blob "127.0.0.1:$port/made/image@$(member digest)" | wc -c)" "$config"
refused() { if "${@:2}" > out.txt 2>&1; then echo "CHANGED: $2 takes it"; exit 1; fi; grep -q "$1" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }; }
refused "Content-Length header $config does not match expected size $layers" ./crane pull "$image" pulled.tar
refused 'mismatch Content-Length' ./oras copy --from-plain-http --to-oci-layout "$image" layout:1
./regctl registry set --tls disabled "127.0.0.1:$port" 2> out.txt
refused 'failed to get blob' ./regctl image copy "$image" ocidir://copied:1
echo "as recorded"
