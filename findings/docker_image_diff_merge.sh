#!/usr/bin/env bash
# docker-image-diff 0.1.0 (PyPI), `dockerdiff diff` of two saved images and `dockerdiff merge` of the first with the
# difference.
#
# Guess: the merged archive holds the second image. Seen: it holds manifest.json twice, the first image's before the
# second's. Which counts depends on who reads it: tar unpacks the last, crane 0.22.1, regctl 0.11.7 and skopeo 1.9.3
# (Debian's package) take the first, so all three push or copy the old image, with exit code 0.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install docker-image-diff==0.1.0
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

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

def save(name, tag, layers):
    digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + digest for digest in digests]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    names = [digest + "/layer.tar" for digest in digests]
    manifest = json.dumps([{"Config": config_name, "RepoTags": [f"made/image:{tag}"], "Layers": names}]).encode()
    open(name, "wb").write(tar([*zip(names, layers), (config_name, config), ("manifest.json", manifest)]))

first, second = tar([("a", b"one")]), tar([("b", b"two")])
save("base.tar", "old", [first])
save("new.tar", "new", [first, second])
PY
python3 make.py
venv/bin/dockerdiff diff --base base.tar --new new.tar --output diff.tar > out.txt
venv/bin/dockerdiff merge --base base.tar --diff diff.tar --output merged.tar > out.txt
same "manifest.json" "$(tar -tf merged.tar | grep -c manifest.json)" 2
mkdir unpacked
tar -xf merged.tar -C unpacked
grep -q made/image:new unpacked/manifest.json || { echo "CHANGED: tar unpacks another"; exit 1; }

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
layers='import json, sys; print(len(json.load(sys.stdin)["layers"]))'
for name in merged new; do
  ./crane push $name.tar "127.0.0.1:$port/$name:1" > out.txt 2>&1
  ./regctl image import ocidir://$name:1 $name.tar > out.txt
  skopeo --policy policy.json copy docker-archive:$name.tar "dir:$name.dir" > out.txt 2>&1
done
same "crane" "$(./crane manifest "127.0.0.1:$port/merged:1" | python3 -c "$layers")" 1
same "regctl" "$(./regctl manifest get ocidir://merged:1 --format body | python3 -c "$layers")" 1
same "skopeo" "$(python3 -c "$layers" < merged.dir/manifest.json)" 1
same "crane, the new image" "$(./crane manifest "127.0.0.1:$port/new:1" | python3 -c "$layers")" 2
same "skopeo, the new image" "$(python3 -c "$layers" < new.dir/manifest.json)" 2
echo "as recorded"
