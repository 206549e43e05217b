#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane rebase` of an OCI image for linux/arm/v7 onto a new base for linux/arm/v7.
#
# Guess: the image with the new base's layers, for the platform that all three have. Seen, with exit code 0: `variant`,
# `author` and `created` are gone from the config, the image's annotations are gone, and the manifest has Docker's types
# for itself and the config beside OCI's for the layers. `crane flatten` of the same image keeps all of that.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

cat > make.py <<'PY'
import gzip, hashlib, io, json, os, tarfile

oci = "application/vnd.oci.image."

def layout(name, *layers):
    os.makedirs(name + "/blobs/sha256")

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        open(f"{name}/blobs/sha256/{digest}", "wb").write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def tar(text):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            entry = tarfile.TarInfo(text)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        return out.getvalue()

    tars = [tar(text) for text in layers]
    config = {
        "architecture": "arm", "variant": "v7", "os": "linux", "author": "made", "created": "2026-01-02T03:04:05Z",
        "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest() for data in tars]},
        "history": [{"created_by": text} for text in layers],
    }
    manifest = {
        "schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "annotations": {"org.example.of": name},
        "config": blob(json.dumps(config).encode(), oci + "config.v1+json"),
        "layers": [blob(gzip.compress(data, mtime=0), oci + "layer.v1.tar+gzip") for data in tars],
    }
    one = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    json.dump({"schemaVersion": 2, "manifests": [one]}, open(name + "/index.json", "w"))
    json.dump({"imageLayoutVersion": "1.0.0"}, open(name + "/oci-layout", "w"))

layout("base", "one")
layout("new", "two")
layout("app", "one", "more")
PY
python3 make.py
image=127.0.0.1:$port/made/image
for name in base new app; do ./crane push $name "$image:$name" > out.txt 2>&1; done
./crane rebase "$image:app" --old_base "$image:base" --new_base "$image:new" -t "$image:rebased" > out.txt 2>&1
./crane flatten "$image:app" -t "$image:flat" > out.txt 2>&1

cat > read.py <<'PY'
import json, subprocess, sys

def crane(*words):
    return json.loads(subprocess.run(["./crane", *words], check=True, capture_output=True).stdout)

manifest, config = crane("manifest", sys.argv[1]), crane("config", sys.argv[1])
types = [one["mediaType"][16:] for one in [manifest, manifest["config"], manifest["layers"][0]]]
print(*types, config["architecture"], config.get("variant"), config.get("author"), config["created"][:4],
      manifest.get("annotations", {}).get("org.example.of"))
PY
same app "$(python3 read.py "$image:app")" \
  "oci.image.manifest.v1+json oci.image.config.v1+json oci.image.layer.v1.tar+gzip arm v7 made 2026 app"
same rebased "$(python3 read.py "$image:rebased")" \
  "docker.distribution.manifest.v2+json docker.container.image.v1+json oci.image.layer.v1.tar+gzip arm None None 0001 None"
same flat "$(python3 read.py "$image:flat" | sed 's/ 2[0-9]* app$//')" \
  "oci.image.manifest.v1+json oci.image.config.v1+json oci.image.layer.v1.tar+gzip arm v7 made"
same "flat, annotation" "$(python3 read.py "$image:flat" | grep -o '[^ ]*$')" app
same "contents of rebased" "$(./crane export --platform linux/arm/v7 "$image:rebased" - | tar -tf - | sort | tr '\n' ' ')" "more two "
echo "as recorded"
