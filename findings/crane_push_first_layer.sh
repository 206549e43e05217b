#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane push` of a `docker save` tar.
#
# Whether the layers of the archive are compressed is read off the first layer alone. An archive may mix both
# (its layers are told by digest of what they unpack to, so nothing forbids it). Guess: each layer is looked at.
# Seen, with exit code 0 both times:
# - gzip first, plain second: the plain tar is pushed as it is, typed `...diff.tar.gzip`;
# - plain first, gzip second: the gzip layer is compressed once more, so it unpacks to gzip instead of a tar.
# `crane validate` of what crane has just pushed then fails.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1

cat > make.py <<'PY'
import gzip, hashlib, io, json, tarfile

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()

def save(name, layers, plain):
    diff_ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in plain]
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": ["0/layer.tar", "1/layer.tar"]}]
    files = [("config.json", json.dumps(config).encode()), ("manifest.json", json.dumps(manifest).encode())]
    files += [(f"{i}/layer.tar", layer) for i, layer in enumerate(layers)]
    open(name, "wb").write(tar(files))

first, second = tar([("a", b"one")]), tar([("b", b"two")])
save("gzip_plain.tar", [gzip.compress(first, mtime=0), second], [first, second])
save("plain_gzip.tar", [first, gzip.compress(second, mtime=0)], [first, second])
PY
python3 make.py

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

types='[layer["mediaType"].rsplit(".", 2)[1:] for layer in m["layers"]]'
for name in gzip_plain plain_gzip; do
  image=127.0.0.1:$port/made/$name:1
  ./crane push "$name.tar" "$image" > out.txt 2>&1 || { echo "CHANGED $name: push fails"; exit 1; }
  seen=$(./crane manifest "$image" | python3 -c "import json, sys; m = json.load(sys.stdin); print($types)")
  same "$name types" "$seen" "[['tar', 'gzip'], ['tar', 'gzip']]"
  digest=$(./crane manifest "$image" | python3 -c 'import json, sys; print(json.load(sys.stdin)["layers"][1]["digest"])')
  ./crane blob "127.0.0.1:$port/made/$name@$digest" > "$name.layer"
  if ./crane validate --remote "$image" > out.txt 2>&1; then echo "CHANGED $name: it validates"; exit 1; fi
done
same "the plain layer's type at tar offset 257" "$(dd if=gzip_plain.layer bs=1 skip=257 count=5 2> dd.txt)" ustar
same "the gzip layer unpacked once" "$(gzip -dc plain_gzip.layer | head -c 2 | od -An -tx1 | tr -d ' ')" 1f8b
echo "as recorded"
