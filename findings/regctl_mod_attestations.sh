#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image mod --create --label` of an index in BuildKit's form: an image and its
# provenance, which names the image as `subject` and in `vnd.docker.reference.digest`.
#
# The image gets another digest by the label. Guess: the provenance is left out, or its names follow the image. Seen, with
# exit code 0: both names keep the digest of the image as it was, which the new layout does not have; the label is written
# into the config of the provenance, too; and the layout has a list of referrers for the image that is not there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
cat > make.py <<'PY'
import gzip, hashlib, io, json, os, tarfile

os.makedirs("built/blobs/sha256")
oci = "application/vnd.oci.image."

def blob(data, media_type, **more):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    open("built/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

def image(system, diff_id, layer, **more):
    config = {"architecture": system, "os": system, "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": blob(config, oci + "config.v1+json"),
                "layers": [layer], **more}
    return blob(manifest, oci + "manifest.v1+json")

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    entry = tarfile.TarInfo("hello")
    entry.size = 3
    tar.addfile(entry, io.BytesIO(b"hi\n"))
diff_id = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
app = image("linux", diff_id, blob(gzip.compress(out.getvalue(), mtime=0), oci + "layer.v1.tar+gzip"))
kind = "https://slsa.dev/provenance/v1"
statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind, "predicate": {},
             "subject": [{"name": "made", "digest": {"sha256": app["digest"][7:]}}]}
layer = blob(statement, "application/vnd.in-toto+json", annotations={"in-toto.io/predicate-type": kind})
provenance = image("unknown", layer["digest"], layer, subject=app)
provenance["annotations"] = {"vnd.docker.reference.digest": app["digest"], "vnd.docker.reference.type": "attestation-manifest"}
members = [{**one, "platform": {"architecture": system, "os": system}} for one, system in [(app, "linux"), (provenance, "unknown")]]
index = blob({"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": members}, oci + "index.v1+json")
index["annotations"] = {"org.opencontainers.image.ref.name": "1"}
json.dump({"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [index]}, open("built/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("built/oci-layout", "w"))
print(app["digest"])
PY
before=$(python3 make.py)
./regctl image mod ocidir://built:1 --create ocidir://labelled:1 --label a=b > out.txt

cat > read.py <<'PY'
import json, sys

before = sys.argv[1]
def read(digest):
    return json.load(open("labelled/blobs/" + digest.replace(":", "/")))

names = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in json.load(open("labelled/index.json"))["manifests"]}
image, provenance = read(names["1"])["manifests"]
manifest = read(provenance["digest"])
print(image["digest"] == before, provenance["annotations"]["vnd.docker.reference.digest"] == before,
      manifest["subject"]["digest"] == before, read(manifest["config"]["digest"])["config"], before.replace(":", "-") in names)
PY
same "the labelled index" "$(python3 read.py "$before")" "False True True {'Labels': {'a': 'b'}} True"
[ ! -e "labelled/blobs/sha256/${before#*:}" ] || { echo "CHANGED: the image that is named is there"; exit 1; }
echo "as recorded"
