#!/usr/bin/env bash
# dockdash 0.2.0 (crate): images that it builds, pushes and unpacks.
#
# Guess: an image that is built as `localhost:5000/team/app:1` has the tag 1 in its archive, is pushed under the digest that
# the archive tells, and an opaque whiteout hides what the layers below have. Seen: the tag in the archive is
# `5000/team/app`, what stands behind the first colon; the pushed manifest has other bytes, so another digest; and where
# the whiteout stands behind the new files of its own layer, these are gone as well, which crane export (Go module, 0.22.1)
# keeps. The registry is docker-registry 2.8.2 (Debian's package).
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
mkdir -p made/src
cat > made/Cargo.toml <<'TOML'
[package]
name = "made"
version = "0.0.0"
edition = "2021"

[dependencies]
dockdash = "=0.2.0"
tokio = { version = "1", features = ["full"] }
TOML
cat > made/src/main.rs <<'RUST'
use dockdash::{Arch, ClientProtocol, Image, Layer, PushOptions};

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [what, file, other] = &words[..] else { panic!("three words") };
    if what == "build" {
        let layer = Layer::builder().unwrap().data("a.txt", b"text", None).unwrap().build().await.unwrap();
        let image = Image::builder().platform("linux", &Arch::Amd64).layer(layer);
        image.output_to(file.into()).output_name_and_tag(other).build().await.unwrap();
        return;
    }
    let image = Image::from_tarball(file).unwrap();
    if what == "unpack" {
        image.extract(other).await.unwrap();
        return;
    }
    let options = PushOptions { protocol: ClientProtocol::Http, ..PushOptions::default() };
    image.push(other, &options).await.unwrap();
}
RUST
made() { cargo run --quiet --manifest-path made/Cargo.toml -- "$@" > cargo.txt 2>&1 || { cat cargo.txt; exit 1; }; }

made build app.tar localhost:5000/team/app:1
entry() { tar -xOf app.tar index.json | python3 -c "import json, sys; print(json.load(sys.stdin)['manifests'][0]$1)"; }
same tag "$(entry '["annotations"]["org.opencontainers.image.ref.name"]')" 5000/team/app

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "127.0.0.1:$port" }
YML
docker-registry serve config.yml > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
made push app.tar "127.0.0.1:$port/team/app:1"
./crane manifest "127.0.0.1:$port/team/app:1" > pushed.json
[ "sha256:$(sha256sum < pushed.json | cut -d ' ' -f 1)" != "$(entry '["digest"]')" ] || { echo "CHANGED: the digest is that of the archive"; exit 1; }
same "what the manifests say" "$(python3 - "$(entry '["digest"]')" <<'PY'
import json, sys, tarfile

path = "blobs/" + sys.argv[1].replace(":", "/")
print(json.load(tarfile.open("app.tar").extractfile(path)) == json.load(open("pushed.json")))
PY
)" True

python3 - <<'PY'
import io, tarfile

def layer(name, paths):
    with tarfile.open(name, "w") as archive:
        for path in paths:
            archive.addfile(tarfile.TarInfo(path), io.BytesIO())

layer("base.tar", ["etc/old"])
layer("first.tar", ["etc/.wh..wh..opq", "etc/new"])
layer("last.tar", ["etc/new", "etc/.wh..wh..opq"])
PY
./crane append --oci-empty-base -f base.tar -t "127.0.0.1:$port/base:1" > out.txt 2>&1
for order in first last; do
  ./crane append -b "127.0.0.1:$port/base:1" -f "$order.tar" -t "127.0.0.1:$port/$order:1" > out.txt 2>&1
  ./crane export "127.0.0.1:$port/$order:1" files.tar
  same "crane, $order" "$(tar -tf files.tar | grep -v '/$')" etc/new
  ./crane pull --format oci "127.0.0.1:$port/$order:1" "layout-$order"
  tar -cf "image-$order.tar" -C "layout-$order" oci-layout index.json blobs
  made unpack "image-$order.tar" "unpacked-$order"
done
same "whiteout first" "$(ls unpacked-first/etc)" new
same "whiteout last" "$(ls -d unpacked-last/etc/* 2> ls.txt || true)" ""
echo "as recorded"
