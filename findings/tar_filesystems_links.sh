#!/usr/bin/env bash
# fs 2.4.16 and ratarmountcore 0.11.1 (PyPI), which show an archive as a file system: a file with two names, a hard link.
#
# Guess: either name gives the contents, as with fsspec 2026.9.0 (PyPI) and on a disk. Seen: with fs the second name is listed
# and cannot be read, `path '/hard' should be a file`; with ratarmountcore it opens and is empty, without an error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install fs==2.4.16 'setuptools<80' ratarmountcore==0.11.1 fsspec==2026.9.0
mkdir packed
printf hello > packed/a
ln packed/a packed/hard
tar -C packed -cf packed.tar a hard

cat > run.py <<'PY'
import warnings

warnings.simplefilter("ignore")
from fs.errors import FileExpected
from fs.tarfs import ReadTarFS
from fsspec.implementations.tar import TarFileSystem
from ratarmountcore.mountsource.factory import open_mount_source

other = TarFileSystem("packed.tar")
assert [other.cat_file(name) for name in ("a", "hard")] == [b"hello", b"hello"]

pyfilesystem = ReadTarFS("packed.tar")
assert sorted(pyfilesystem.walk.files("/")) == ["/a", "/hard"]
assert pyfilesystem.readbytes("/a") == b"hello"
try:
    raise SystemExit(f"CHANGED: fs reads {pyfilesystem.readbytes('/hard')}")
except FileExpected as error:
    assert str(error) == "path '/hard' should be a file", error

mounted = open_mount_source("packed.tar", writeIndex=False, recursive=False)
assert sorted(mounted.list("/")) == ["a", "hard"]
contents = {}
for name in "a", "hard":
    with mounted.open(mounted.lookup("/" + name)) as file:
        contents[name] = file.read()
assert contents == {"a": b"hello", "hard": b""}, contents
PY
venv/bin/python run.py > out.txt 2>&1 || { cat out.txt; exit 1; }
echo "as recorded"
