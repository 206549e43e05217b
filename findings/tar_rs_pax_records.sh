#!/usr/bin/env bash
# tar 0.4.46 (crates.io), pax records that the POSIX text allows and Python reads.
#
# 1. A pax record whose value has a line end (its length says where it ends). Seen: the record is dropped in silence
#    and the file gets the short name of its header.
# 2. The same pax key twice. POSIX: the last one counts. Seen: the first one does.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > make.py <<'PY'
import io, tarfile

def header(name, size, kind):
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.USTAR_FORMAT)

def pad(data):
    return data + bytes(-len(data) % 512)

def file(name, data):
    return header(name, len(data), tarfile.REGTYPE) + pad(data)

def pax(*records):
    data = b"".join(b"%d path=%s\n" % (len(value) + 9, value) for value in records)
    return header("PaxHeaders/x", len(data), tarfile.XHDTYPE) + pad(data)

archives = {
    "line": pax(b"a\nb") + file("short", b"abc"),
    "twice": pax(b"one", b"two") + file("short", b"abc"),
}
for name, data in archives.items():
    open(name + ".tar", "wb").write(data + bytes(1024))
assert [entry.name for entry in tarfile.open("line.tar")] == ["a\nb"]
assert [entry.name for entry in tarfile.open("twice.tar")] == ["two"]
PY
python3 make.py

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "made"
version = "0.1.0"
edition = "2021"

[dependencies]
tar = { version = "=0.4.46", default-features = false }
TOML
cat > src/main.rs <<'RUST'
fn main() {
    for name in ["line", "twice"] {
        let data = std::fs::read(format!("{name}.tar")).unwrap();
        let mut archive = tar::Archive::new(&data[..]);
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            println!("{name}: {:?} {}", entry.path().unwrap(), entry.size());
        }
    }
}
RUST
cargo run --quiet > seen.txt 2> cargo.txt || { cat cargo.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
line: "short" 3
twice: "one" 3
SEEN
echo "as recorded"
