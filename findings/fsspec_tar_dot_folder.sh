#!/usr/bin/env bash
# fsspec 2026.9.0 (PyPI), `tar://` and `TarFileSystem` of an archive that `tar -cf FILE .` has made of a folder, as layers of
# images often are.
#
# Guess: its files are at the root, `tar://a.txt::made.tar`. Seen: FileNotFoundError; the root lists one folder, `.`, and the
# files are there for who asks for `./a.txt` alone. With `tar -cf FILE a.txt` the first form finds the file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install fsspec==2026.9.0
mkdir packed
printf hello > packed/a.txt
tar -C packed -cf folder.tar .
tar -C packed -cf file.tar a.txt

cat > run.py <<'PY'
import fsspec
from fsspec.implementations.tar import TarFileSystem

with fsspec.open("tar://a.txt::file.tar") as file:
    assert file.read() == b"hello"
try:
    fsspec.open("tar://a.txt::folder.tar").open()
    raise SystemExit("CHANGED: found")
except FileNotFoundError:
    pass
folder = TarFileSystem("folder.tar")
assert folder.ls("", detail=False) == ["."], folder.ls("", detail=False)
assert (folder.exists("a.txt"), folder.exists("./a.txt")) == (False, True)
assert folder.cat_file("./a.txt") == b"hello"
PY
venv/bin/python run.py > out.txt 2>&1 || { cat out.txt; exit 1; }
echo "as recorded"
