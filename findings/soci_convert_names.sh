#!/usr/bin/env bash
# soci (Go module, of 2026-09-30, with soci-snapshotter 0.16.1), `soci convert --standalone` of an OCI layout in a tar: one
# image with two names, as docker and BuildKit write it, two entries of index.json.
#
# Guess: an index around the image and its table of contents, under both names. Seen: an index that lists the image twice,
# and no name at all, so that `skopeo copy oci-archive:FILE:1` (1.9.3, Debian's package) does not find it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
mkdir made
cat > made/go.mod <<'GO'
module made

go 1.26

replace github.com/awslabs/soci-snapshotter => github.com/awslabs/soci-snapshotter v0.16.1
GO
(cd made && go get github.com/awslabs/soci-snapshotter/cmd/soci@v0.0.0-20260930233240-61147fe7c929 &&
  go build -o ../soci github.com/awslabs/soci-snapshotter/cmd/soci) > go.txt 2>&1 || { cat go.txt; exit 1; }

python3 - <<'PY'
import gzip, hashlib, io, json, os, tarfile

oci = "application/vnd.oci.image."
os.makedirs("app/blobs/sha256")

def blob(data, media_type, **more):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    open(f"app/blobs/sha256/{digest}", "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    entry = tarfile.TarInfo("a.txt")
    entry.size = 5
    tar.addfile(entry, io.BytesIO(b"text\n"))
rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(out.getvalue()).hexdigest()]}
platform = {"architecture": "amd64", "os": "linux"}
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
            "config": blob({**platform, "config": {}, "rootfs": rootfs}, oci + "config.v1+json"),
            "layers": [blob(gzip.compress(out.getvalue(), mtime=0), oci + "layer.v1.tar+gzip")]}
image = blob(manifest, oci + "manifest.v1+json", platform=platform)
entries = [{**image, "annotations": {"io.containerd.image.name": "docker.io/team/app:" + tag, "org.opencontainers.image.ref.name": tag}}
           for tag in ("1", "latest")]
json.dump({"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": entries}, open("app/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("app/oci-layout", "w"))
PY
tar -cf app.tar -C app oci-layout index.json blobs
./soci --root "$work/root" convert --standalone --min-layer-size 1 app.tar soci.tar > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
mkdir soci-layout
tar -xf soci.tar -C soci-layout
show() { python3 - <<'PY'
import json

def read(digest):
    return json.load(open("soci-layout/blobs/" + digest.replace(":", "/")))

entries = json.load(open("soci-layout/index.json"))["manifests"]
children = [child for entry in entries for child in read(entry["digest"])["manifests"]]
images = [child["digest"] for child in children if not child.get("artifactType")]
names = [name for entry in entries for name in entry.get("annotations", {}).values()]
print(len(entries), "entry,", len(images), "images,", len(set(images)), "digest,", len(names), "names")
PY
}
same "what is written" "$(show)" "1 entry, 2 images, 1 digest, 0 names"
skopeo --policy policy.json copy oci-archive:app.tar:1 dir:before > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
! skopeo --policy policy.json copy oci-archive:soci.tar:1 dir:after > out.txt 2>&1 || { echo "CHANGED: the name is found"; exit 1; }
grep -q 'no descriptor found for reference' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
