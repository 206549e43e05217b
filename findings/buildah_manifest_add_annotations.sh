#!/usr/bin/env bash
# buildah 1.28.2 (Debian's package), `buildah manifest add --all` of an index in BuildKit's form, an image and its provenance,
# to a new list, which is pushed.
#
# Guess: the members as they were. Seen, with exit code 0: both are there under their digests, and the annotations of their
# descriptors are gone, `vnd.docker.reference.type` and `vnd.docker.reference.digest` with them: the provenance is one
# more image, for the platform unknown/unknown. `crane index append` (0.22.1, Go module) keeps them.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

buildah --version | grep -q ' 1\.28\.2' || { echo "needs buildah 1.28.2"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
echo '{}' > auth.json
export REGISTRY_AUTH_FILE=$work/auth.json
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
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
image=127.0.0.1:$port/made/image
./crane push --index built "$image:layout" > out.txt 2>&1
index=$(python3 -c 'import json; print(json.load(open("built/index.json"))["manifests"][0]["digest"])')
list() { buildah --storage-driver vfs --root "$work/store" --runroot "$work/run" manifest "$@" > out.txt 2>&1 || { cat out.txt; exit 1; }; }
list create made
list add --tls-verify=false --all made "docker://$image@$index"
list push --tls-verify=false --all made "docker://$image:by-buildah"
./crane index append "$image@$index" -m "$image@$before" -t "$image:by-crane" > out.txt 2>&1

cat > read.py <<'PY'
import json, sys

image, provenance = json.load(sys.stdin)["manifests"][:2]
print(image["digest"], provenance["platform"]["os"], *sorted(provenance.get("annotations", {})))
PY
names="vnd.docker.reference.digest vnd.docker.reference.type"
same "before" "$(./crane manifest "$image@$index" | python3 read.py)" "$before unknown $names"
same "buildah" "$(./crane manifest "$image:by-buildah" | python3 read.py)" "$before unknown"
same "crane" "$(./crane manifest "$image:by-crane" | python3 read.py)" "$before unknown $names"
echo "as recorded"
