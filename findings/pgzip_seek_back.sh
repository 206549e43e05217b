#!/usr/bin/env bash
# pgzip 0.4.0 and mgzip 0.2.5 (PyPI), going back in a file of several blocks that they wrote themselves.
#
# Both offer what Python's gzip.open offers. Guess: after `seek(0)` a file is read from its start. Seen, without an error:
# it starts behind what had been read. tarfile goes back once it has seen the first header, so of a .tar.gz of 20 files that
# the library wrote it lists four, with the bytes of others in them. gzip.open reads the same files right, and so do the
# two libraries what gzip.open wrote.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install pgzip==0.4.0 mgzip==0.2.5
venv/bin/python - <<'PY'
import gzip, io, tarfile
import mgzip, pgzip

lines = b"".join(b"line %d\n" % number for number in range(100_000))
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w") as archive:
    for number in range(20):
        entry = tarfile.TarInfo(f"file{number}")
        entry.size = 30_000
        archive.addfile(entry, io.BytesIO(b"%05d\n" % number * 5_000))

def read_again(library):
    with library.open("lines.gz", "rb") as file:
        file.read(500_000)
        file.seek(0)
        return file.read()

for library in pgzip, mgzip:
    for name, data in ("lines.gz", lines), ("archive.tar.gz", packed.getvalue()):
        with library.open(name, "wb", blocksize=100_000) as file:
            file.write(data)
        assert gzip.open(name).read() == data
        with library.open(name, "rb") as file:
            assert file.read() == data
    assert read_again(gzip) == lines
    seen = read_again(library)
    assert seen == lines[-len(seen):] and len(lines) - len(seen) == 500_000, len(lines) - len(seen)
    assert len(tarfile.open("archive.tar.gz", "r:gz").getnames()) == 20
    with library.open("archive.tar.gz", "rb") as file:
        archive = tarfile.open(fileobj=file)
        contents = {name: archive.extractfile(name).read(6) for name in archive.getnames()}
    assert list(contents) == ["file0", "file1", "file2", "file3"], contents
    assert contents["file0"] == b"07\n000", contents
    with gzip.open("lines.gz", "wb") as file:
        file.write(lines)
    assert read_again(library) == lines
PY
echo "as recorded"
