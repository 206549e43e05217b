#!/usr/bin/env bash
# crane 0.22.1, regctl 0.11.7 (Go modules) and umoci 0.4.7 (Debian's package): a label is added to an image.
#
# Its config has what Docker and BuildKit write into one, beside a field of its own (image-spec, config.md: extra fields
# are allowed). Guess: what is not asked for stays. Seen: each reads the config into a struct of its own and writes that,
# so that what is missing afterwards depends on the tool. Only umoci loses the health check, and both umoci and crane the
# StopTimeout; none keeps the image's own field, and umoci drops the annotations of the config's descriptor as well.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

umoci --version | grep -q 'version 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
export GOBIN=$work REGCTL_CONFIG=$work/regctl.json
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7

python3 - <<'PY'
import gzip, hashlib, io, json, os, tarfile

os.makedirs("image/blobs/sha256")

def blob(data, media_type):
    digest = hashlib.sha256(data).hexdigest()
    open("image/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    entry = tarfile.TarInfo("hello")
    entry.size = 3
    tar.addfile(entry, io.BytesIO(b"hi\n"))
diff_id = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
oci = "application/vnd.oci.image."
config = {
    "architecture": "arm", "variant": "v7", "os": "linux", "org.example.build": {"number": 7},
    "config": {
        "Env": ["A=1"], "Healthcheck": {"Test": ["CMD", "true"]}, "OnBuild": ["RUN true"],
        "Shell": ["/bin/ash", "-c"], "StopTimeout": 7,
    },
    "rootfs": {"type": "layers", "diff_ids": [diff_id]},
}
manifest = {
    "schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
    "config": {**blob(json.dumps(config).encode(), oci + "config.v1+json"), "annotations": {"org.example.of": "config"}},
    "layers": [blob(gzip.compress(out.getvalue(), mtime=0), oci + "layer.v1.tar+gzip")],
}
named = {**blob(json.dumps(manifest).encode(), manifest["mediaType"]),
    "annotations": {"org.opencontainers.image.ref.name": "before"}}
json.dump({"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [named]}, open("image/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("image/oci-layout", "w"))
PY

cat > lost.py <<'PY'
import json, sys

def config(name):
    text = open(name + ".json").read()
    image = json.loads(text)
    return {*image, *image.get("config", {})}

print(*sorted(config("before") - config(sys.argv[1])))
PY
read_layout() { # TAG NAME
  ./regctl manifest get "ocidir://image:$1" --format '{{json .Config}}' > "$2.config"
  ./regctl blob get ocidir://image "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["digest"])' "$2.config")" > "$2.json"
}
annotations() { python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1])).get("annotations", {})))' "$1.config"; }

read_layout before before
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done
./regctl registry set "127.0.0.1:$port" --tls disabled > out.txt
./regctl image copy ocidir://image:before "127.0.0.1:$port/app:before" > out.txt 2>&1
./crane mutate "127.0.0.1:$port/app:before" --label a=b --tag "127.0.0.1:$port/app:after" > out.txt 2>&1
./regctl image copy "127.0.0.1:$port/app:after" ocidir://image:crane > out.txt 2>&1
read_layout crane crane
./regctl image mod ocidir://image:before --label a=b --create regctl > out.txt
read_layout regctl regctl
umoci config --image image:before --tag umoci --config.label a=b
read_layout umoci umoci

same crane "$(python3 lost.py crane)" "StopTimeout org.example.build"
same regctl "$(python3 lost.py regctl)" "org.example.build"
same umoci "$(python3 lost.py umoci)" "Healthcheck OnBuild Shell StopTimeout org.example.build"
same annotations "$(for name in before crane regctl umoci; do annotations $name; done | xargs)" "1 1 1 0"
echo "as recorded"
