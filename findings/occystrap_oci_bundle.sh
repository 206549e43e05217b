#!/usr/bin/env bash
# occystrap 0.4.17 (PyPI), `occystrap process ... oci://FOLDER`: a bundle for a runtime, of an archive and of an image in a
# registry (crane 0.22.1, Go module), with one layer once and twice.
#
# Guess: exit code 0 and a bundle. Seen: the bundle is whole, and the exit code 1: the program's own check looks for
# manifest.json, which a bundle has not; with `--no-verify` it is 0. Of an image with one layer twice there is no bundle but
# FileNotFoundError: the file of the layer is gone when the second of the two is to be unpacked.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
python3 -m venv python
python/bin/pip install -q occystrap==0.4.17 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

python3 - <<'PY'
import hashlib, io, json, os, tarfile

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    entry = tarfile.TarInfo("a.txt")
    entry.size = 5
    tar.addfile(entry, io.BytesIO(b"text\n"))
layer = out.getvalue()
diff_id = hashlib.sha256(layer).hexdigest()
for name, times in (("once", 1), ("twice", 2)):
    os.makedirs(f"{name}/{diff_id}")
    open(f"{name}/{diff_id}/layer.tar", "wb").write(layer)
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + diff_id] * times}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/a"]}, "rootfs": rootfs,
                         "history": [{"created_by": "made"}] * times}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    open(f"{name}/{config_name}", "wb").write(config)
    item = {"Config": config_name, "RepoTags": [name + ":1"], "Layers": [diff_id + "/layer.tar"] * times}
    json.dump([item], open(name + "/manifest.json", "w"))
PY
for name in once twice; do
  tar -cf $name.tar -C $name $(ls $name)
  ./crane push --insecure $name.tar "127.0.0.1:$port/$name:1" > out.txt 2>&1
done
try() { code=0; python/bin/occystrap --insecure "${@:3}" process "$1" "oci://$2" > out.txt 2>&1 || code=$?; }
try "tar://once.tar" bundle
same "exit code" "$code" 1
grep -q 'Manifest file missing: .*/bundle/manifest.json' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "the bundle" "$(cat bundle/rootfs/a.txt) $(python3 -c 'import json; print(json.load(open("bundle/config.json"))["process"]["args"])')" "text ['/a']"
try "tar://once.tar" unchecked --no-verify
same "exit code with --no-verify" "$code" 0
try "registry://127.0.0.1:$port/once:1" remote --no-verify
same "from a registry" "$code" 0
for source in "tar://twice.tar" "registry://127.0.0.1:$port/twice:1"; do
  try "$source" twice-bundle --no-verify
  same "$source" "$code" 1
  grep -q "FileNotFoundError: .*twice-bundle/" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
  rm -rf twice-bundle
done
echo "as recorded"
