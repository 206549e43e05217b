#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), `skopeo copy --all --dest-compress --dest-compress-format zstd` of a layout with an index
# in BuildKit's form: an image and its provenance, which names the image in `vnd.docker.reference.digest` and as subject.
#
# The image gets another digest with its layers. Guess: the names follow, the provenance is left out, or the copy is
# refused. Seen, with exit code 0: both names keep the old digest, which the copy does not have, so that the image has no
# provenance any more for who looks for it. With `--preserve-digests` the index is copied as it is, not compressed anew.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
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
copy() { skopeo --policy policy.json copy --all --dest-compress --dest-compress-format zstd "$@" > out.txt 2>&1; }
copy oci:built:1 oci:copied:1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }

cat > read.py <<'PY'
import json, sys

before = sys.argv[1]
def read(digest):
    return json.load(open("copied/blobs/" + digest.replace(":", "/")))

image, provenance = read(json.load(open("copied/index.json"))["manifests"][0]["digest"])["manifests"]
print(image["digest"] == before, read(image["digest"])["layers"][0]["mediaType"][16:],
      provenance["annotations"]["vnd.docker.reference.digest"] == before, read(provenance["digest"])["subject"]["digest"] == before)
PY
same "the copy" "$(python3 read.py "$before")" "False oci.image.layer.v1.tar+zstd True True"
[ ! -e "copied/blobs/sha256/${before#*:}" ] || { echo "CHANGED: the image that is named is there"; exit 1; }
copy --preserve-digests oci:built:1 oci:kept:1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
digest() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1] + "/index.json"))["manifests"][0]["digest"])' "$1"; }
same "with --preserve-digests" "$(digest kept)" "$(digest built)"
echo "as recorded"
