#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), `copy --all --encryption-key` of an image with provenance as BuildKit writes it: an index
# of the image and of a manifest whose layer has the type application/vnd.in-toto+json.
#
# Guess: the layers of the image are encrypted, and the provenance is taken along as it is or encrypted, too. Seen: `encryption
# specified but no counterpart for mediatype: "application/vnd.in-toto+json"`, and nothing is copied; without `--all` the
# image is, alone.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
openssl genrsa -out key.pem 2048 2> out.txt
openssl rsa -in key.pem -pubout -out public.pem 2> out.txt

python3 - <<'PY'
import gzip, hashlib, io, json, os, tarfile

oci = "application/vnd.oci.image."
os.makedirs("made/blobs/sha256")

def blob(data, media_type, **more):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    open(f"made/blobs/sha256/{digest}", "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

def manifest(platform, plain, layer, **more):
    diff_id = "sha256:" + hashlib.sha256(plain).hexdigest()
    config = {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    content = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": blob(config, oci + "config.v1+json"), "layers": [layer]}
    return blob(content, oci + "manifest.v1+json", platform=platform, **more)

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    entry = tarfile.TarInfo("a.txt")
    entry.size = 5
    tar.addfile(entry, io.BytesIO(b"text\n"))
layer = blob(gzip.compress(out.getvalue(), mtime=0), oci + "layer.v1.tar+gzip")
image = manifest({"architecture": "amd64", "os": "linux"}, out.getvalue(), layer)
about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
statement = json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "subject": [], "predicate": {}}).encode()
provenance = manifest({"architecture": "unknown", "os": "unknown"}, statement, blob(statement, "application/vnd.in-toto+json"), annotations=about)
index = blob({"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [image, provenance]}, oci + "index.v1+json")
index["annotations"] = {"org.opencontainers.image.ref.name": "1"}
json.dump({"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [index]}, open("made/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("made/oci-layout", "w"))
PY
encrypt() { skopeo --policy policy.json --override-arch amd64 copy --encryption-key jwe:public.pem "$@" > out.txt 2>&1; }
skopeo --policy policy.json copy --all oci:made:1 oci:whole:1 > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
! encrypt --all oci:made:1 oci:all:1 || { echo "CHANGED: --all is copied"; exit 1; }
grep -q 'encryption specified but no counterpart for mediatype: \\"application/vnd.in-toto+json\\"' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "what is named of --all" "$(python3 -c 'import json; print(len(json.load(open("all/index.json"))["manifests"]))' 2> /dev/null || echo 0)" 0
encrypt oci:made:1 oci:one:1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "without --all" "$(skopeo --policy policy.json inspect --raw oci:one:1 | grep -o 'tar+gzip+encrypted' | wc -l)" 1
echo "as recorded"
