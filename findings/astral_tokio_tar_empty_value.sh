#!/usr/bin/env bash
# astral-tokio-tar 0.7.0 (crates.io; what uv unpacks with), archives of GNU tar with an empty extended attribute or a label.
#
# 1. An attribute without a value is a pax record without one, `SCHILY.xattr.user.note=`. Guess: the file, with or without the
#    attribute. Seen: `empty values are not supported in local pax extensions` for whoever lists or unpacks.
# 2. A label (`tar --label`) is an entry whose size field is empty. Seen: `numeric field was not a number`.
# tar 0.4.46 (crates.io) beside it reads the first and fails in the same way at the second; GNU tar and Python read both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
printf hello > file.txt
tar --label=made -cf label.tar file.txt
cat > make.py <<'PY'
import tarfile

with tarfile.open("attribute.tar", "w", format=tarfile.PAX_FORMAT) as archive:
    entry = archive.gettarinfo("file.txt")
    entry.pax_headers["SCHILY.xattr.user.note"] = ""
    archive.addfile(entry, open("file.txt", "rb"))
PY
python3 make.py
for name in attribute label; do
  [ "$(tar -xOf $name.tar file.txt)" = hello ]
  python3 -c 'import sys, tarfile; assert "file.txt" in tarfile.open(sys.argv[1]).getnames()' $name.tar
done

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "made"
version = "0.1.0"
edition = "2021"

[dependencies]
astral-tokio-tar = "=0.7.0"
futures = "0.3"
tar = { version = "=0.4.46", default-features = false }
tokio = { version = "1", features = ["macros", "rt"] }
TOML
cat > src/main.rs <<'RUST'
use futures::StreamExt;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for name in ["attribute", "label"] {
        let data = std::fs::read(format!("{name}.tar")).unwrap();
        let mut entries = tokio_tar::Archive::new(&data[..]).entries().unwrap();
        tell(name, "astral-tokio-tar", entries.next().await.unwrap().err());
        tell(name, "tar", tar::Archive::new(&data[..]).entries().unwrap().next().unwrap().err());
    }
}

fn tell(name: &str, library: &str, error: Option<std::io::Error>) {
    println!("{name} {library} {}", error.map_or("read".into(), |error| error.to_string()));
}
RUST
cargo run --quiet > seen.txt 2> cargo.txt || { cat cargo.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
attribute astral-tokio-tar empty values are not supported in local pax extensions
attribute tar read
label astral-tokio-tar numeric field was not a number:  when getting size for made
label tar numeric field was not a number:  when getting size for made
SEEN
echo "as recorded"
