#!/usr/bin/env bash
# oci-unpack 0.2.0 (crates.io), which unpacks an image of a registry (crane 0.22.1, Go module) into a folder. It speaks http with
# port 80 alone, so the script listens there on an address of its own and needs root.
#
# Guess: the files that umoci, which its documentation names as the same, would unpack. Seen:
# - a layer packed as several gzip members, as eStargz and parallel packers do: what is behind the first is left out, in silence;
# - a link that takes the place of a folder, as `/var/run` does, and a folder that takes the place of a file: errors;
# - an index in which one of the manifests has no platform, which the image spec lets it omit: none of them is found.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "made"
version = "0.1.0"
edition = "2021"

[dependencies]
oci-unpack = { version = "=0.2.0", default-features = false }

[profile.dev]
debug = 0
TOML
cat > src/main.rs <<'RUST'
use oci_unpack::{Reference, Unpacker};

fn main() {
    let mut words = std::env::args().skip(1);
    let registry = words.next().unwrap();
    for name in words {
        let image = format!("{registry}/{name}:1");
        match Unpacker::new(Reference::try_from(image.as_str()).unwrap()).unpack(&name) {
            Ok(()) => println!("{name}: unpacked"),
            Err(error) => println!("{name}: {error}"),
        }
    }
}
RUST
cargo build --quiet 2> cargo.txt || { cat cargo.txt; exit 1; }
registry=127.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1)).7:80
./crane registry serve --address "$registry" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog --insecure "$registry" > out.txt 2>&1 && break; sleep 0.1; done

cat > push.py <<'PY'
import gzip, hashlib, io, json, sys, tarfile, urllib.request

address = "http://" + sys.argv[1]
OCI = "application/vnd.oci.image."


def send(method, url, data, kind="application/octet-stream"):
    return urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": kind}, method=method))


def descriptor(kind, data):
    return {"mediaType": kind, "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}


def push(name, kind, data):
    told = descriptor(kind, data)
    to = send("POST", f"{address}/v2/{name}/blobs/uploads/", b"").headers["Location"]
    send("PUT", (address if to.startswith("/") else "") + to + "?digest=" + told["digest"], data)
    return told


def put(name, tag, kind, fields):
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI + kind, **fields}).encode()
    send("PUT", f"{address}/v2/{name}/manifests/{tag}", data, OCI + kind)
    return descriptor(OCI + kind, data)


def tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for path, text in entries.items():
            entry = tarfile.TarInfo(path.split(" -> ")[0].rstrip("/"))
            entry.mode = 0o755
            if " -> " in path:
                entry.type, entry.linkname = tarfile.SYMTYPE, path.split(" -> ")[1]
            elif path.endswith("/"):
                entry.type = tarfile.DIRTYPE
            entry.size = len(text)
            made.addfile(entry, io.BytesIO(text))
    return out.getvalue()


def image(name, tag, *layers, members=False):
    tars = [tar(layer) for layer in layers]
    kind = OCI + "layer.v1.tar" + ("+gzip" if members else "")
    rootfs = {"type": "layers", "diff_ids": [descriptor("", data)["digest"] for data in tars]}
    config = push(name, OCI + "config.v1+json", json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode())
    packed = [b"".join(gzip.compress(data[at:at + 1024]) for at in range(0, len(data), 1024)) if members else data for data in tars]
    return put(name, tag, "manifest.v1+json", {"config": config, "layers": [push(name, kind, data) for data in packed]})


image("members", "1", {"a": b"text", "b": b"text", "c": b"text"}, members=True)
image("link", "1", {"run/": b"", "var/": b"", "var/run/": b""}, {"var/run -> ../run": b""})
image("folder", "1", {"a": b"text"}, {"a/": b"", "a/b": b"text"})
linux = image("index", "linux", {"a": b"text"})
empty = push("index", "application/vnd.oci.empty.v1+json", b"{}")
artifact = put("index", "artifact", "manifest.v1+json", {"artifactType": "application/x.made", "config": empty, "layers": [empty]})
put("index", "1", "index.v1+json", {"manifests": [{**linux, "platform": {"architecture": "amd64", "os": "linux"}}, artifact]})
PY
python3 push.py "$registry"
{
  target/debug/made "$registry" members link folder index | sed 's/ at line.*//'
  echo "files of members: $(ls members/rootfs)"
} > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
members: unpacked
link: I/O error: run: Is a directory (os error 21)
folder: I/O error: a: File exists (os error 17)
index: Invalid JSON: missing field `platform`
files of members: a
SEEN
echo "as recorded"
