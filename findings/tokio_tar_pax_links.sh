#!/usr/bin/env bash
# tokio-tar 0.3.1 and async-tar 0.6.1 (crates.io), pax archives as GNU tar writes them (`--format=posix`).
#
# 1. A link to a path of more than 100 bytes. Guess: link_name() is that path, as path() is for a long name. Seen in both:
#    it is the short text of the plain header, so the link unpacks to somewhere else, without an error.
# 2. async-tar alone, an extended attribute with a line end in its value, as binary ones may have. Seen:
#    `pax extensions invalid` instead of the entry, whether one asks for attributes or not.
# Python's reader and tar 0.4.46 (crates.io) read the link as it was.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
target=$(printf 'd%.0s' $(seq 80))/$(printf 'f%.0s' $(seq 40))
ln -s "$target" link
tar --format=posix -cf link.tar link
[ "$(python3 -c 'import tarfile; print(tarfile.open("link.tar").getmember("link").linkname)')" = "$target" ]
printf hello > file.txt
cat > make.py <<'PY'
import tarfile

with tarfile.open("attribute.tar", "w", format=tarfile.PAX_FORMAT) as archive:
    entry = archive.gettarinfo("file.txt")
    entry.pax_headers["SCHILY.xattr.user.note"] = "one\ntwo"
    archive.addfile(entry, open("file.txt", "rb"))
PY
python3 make.py

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "made"
version = "0.1.0"
edition = "2021"

[dependencies]
async-tar = { version = "=0.6.1", default-features = false, features = ["runtime-tokio"] }
futures = "0.3"
tar = { version = "=0.4.46", default-features = false }
tokio = { version = "1", features = ["macros", "rt"] }
tokio-tar = "=0.3.1"
TOML
cat > src/main.rs <<'RUST'
use futures::StreamExt;

fn told(name: &str, link: Option<std::path::PathBuf>) {
    println!("{name} {}", link.map_or(0, |link| link.as_os_str().len()));
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let link = std::fs::read("link.tar").unwrap();
    let attribute = std::fs::read("attribute.tar").unwrap();
    for entry in tar::Archive::new(&link[..]).entries().unwrap() {
        told("tar", entry.unwrap().link_name().unwrap().map(|link| link.into_owned()));
    }
    let mut entries = tokio_tar::Archive::new(&link[..]).entries().unwrap();
    while let Some(entry) = entries.next().await {
        let mut entry = entry.unwrap();
        told("tokio-tar", entry.link_name().unwrap().map(|link| link.into_owned()));
        entry.unpack_in("by-tokio-tar").await.unwrap();
        told("unpacked", std::fs::read_link("by-tokio-tar/link").ok());
    }
    let mut entries = async_tar::Archive::new(&link[..]).entries().unwrap();
    while let Some(entry) = entries.next().await {
        let mut entry = entry.unwrap();
        told("async-tar", entry.link_name().unwrap().map(|link| link.into_owned()));
        entry.unpack_in("by-async-tar").await.unwrap();
        told("unpacked", std::fs::read_link("by-async-tar/link").ok());
    }
    let mut entries = async_tar::Archive::new(&attribute[..]).entries().unwrap();
    let entry = entries.next().await.unwrap();
    println!("async-tar {}", entry.err().map_or("no error".into(), |error| error.to_string()));
}
RUST
mkdir by-tokio-tar by-async-tar
cargo run --quiet > seen.txt 2> cargo.txt || { cat cargo.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
tar 121
tokio-tar 100
unpacked 100
async-tar 100
unpacked 100
async-tar pax extensions invalid
SEEN
echo "as recorded"
