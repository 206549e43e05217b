#!/usr/bin/env bash
# gardener-oci 1.2863.0 (PyPI), `replicate_artifact(..., annotations={...})` of an index as BuildKit makes it, with two images for
# Windows and the provenance of one.
#
# Its text says that the copy is as close to the source as it can be. Guess: the same index with one more annotation. Seen,
# without an error: the entries have lost their `os.version`, so nothing tells which Windows an image is for; every image gets the
# annotation too, and with it another digest, which its provenance does not follow: `vnd.docker.reference.digest` names an
# image that the index does not have. Without annotations the copy is the same byte for byte.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check gardener-oci==1.2863.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

cat > make.py <<'PY'
import hashlib, json, os

os.makedirs("layout/blobs/sha256")
oci = "application/vnd.oci.image."

def blob(value, media_type, **more):
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    open("layout/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

def image(platform, layers, **more):
    config = blob({**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]}}, oci + "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": layers}
    return blob(manifest, manifest["mediaType"], platform=platform, **more)

windows = [image({"os": "windows", "architecture": "amd64", "os.version": version}, []) for version in ["10.0.17763.1", "10.0.20348.2"]]
statement = blob({"_type": "https://in-toto.io/Statement/v0.1"}, "application/vnd.in-toto+json")
provenance = image({"os": "unknown", "architecture": "unknown"}, [statement], annotations={
    "vnd.docker.reference.digest": windows[0]["digest"], "vnd.docker.reference.type": "attestation-manifest"})
index = {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [*windows, provenance]}
named = blob(index, index["mediaType"], annotations={"org.opencontainers.image.ref.name": "1"})
json.dump({"schemaVersion": 2, "manifests": [named]}, open("layout/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("layout/oci-layout", "w"))
PY
python3 make.py
./oras cp --from-oci-layout layout:1 --to-plain-http "127.0.0.1:$port/made/image:1" > out.txt

cat > replicate.py <<'PY'
import json, sys

import oci
import oci.client
import oci.model

registry = sys.argv[1]

class Plain(oci.client.Client):
    """The registry asks for no login, and has no TLS to ask about one."""

    def _authenticate(self, *args, **more):
        pass

routes = oci.client.OciRoutes(base_api_url_lookup=lambda image_reference: f"http://{registry}/v2")
client = Plain(credentials_lookup=lambda **more: None, routes=routes)
client.token_cache.set_auth_method(f"{registry}/any", oci.client.AuthMethod.BASIC)

def replicate(tag, **more):
    source, target = f"{registry}/made/image:1", f"{registry}/copied/image:{tag}"
    return oci.replicate_artifact(source, target, oci_client=client, mode=oci.ReplicationMode.PREFER_MULTIARCH, **more)[2]

source = client.manifest_raw(f"{registry}/made/image:1", accept=oci.model.MimeTypes.prefer_multiarch).content
print("as it is:", replicate("same") == source)
manifests = json.loads(replicate("more", annotations={"org.made": "new"}))["manifests"]
print("versions:", [one["platform"].get("os.version") for one in manifests])
print("digests changed:", [one["digest"] not in source.decode() for one in manifests])
named = manifests[2]["annotations"]["vnd.docker.reference.digest"]
print("provenance names an image of the index:", named in [one["digest"] for one in manifests])
PY
timeout 60 venv/bin/python replicate.py "127.0.0.1:$port" > seen.txt 2> err.txt || { cat err.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
as it is: True
versions: [None, None, None]
digests changed: [True, True, True]
provenance names an image of the index: False
SEEN
echo "as recorded"
