#!/usr/bin/env bash
# zstd 1.5.7.2 (PyPI), `decompress` of frames without their size, as `zstd -c` writes them from a pipe.
#
# Guess: the content, or an error for every such frame. Seen: up to 128 KiB (one block) they are read. One byte more and it is
# `length mismatch -> decomp 0 != 131072`, however large or small the frame is. Of two frames without their size the first
# alone comes out, without an error; of two with it, both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

zstd --version | grep -q ' v1\.5\.' || { echo "needs zstd 1.5"; exit 1; }
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install zstd==1.5.7.2
head -c 131072 /dev/zero > one-block
head -c 131073 /dev/zero > two-blocks
echo first > first
echo second > second
zstd -q first second two-blocks

cat > run.py <<'PY'
import subprocess, zstd

def piped(name):
    with open(name, "rb") as file:
        return subprocess.run(["zstd", "-q", "-c"], input=file.read(), capture_output=True, check=True).stdout

def sized(name):
    return open(name + ".zst", "rb").read()

assert zstd.decompress(piped("one-block")) == bytes(131072)
assert zstd.decompress(sized("two-blocks")) == bytes(131073)
try:
    raise SystemExit(f"CHANGED: {len(zstd.decompress(piped('two-blocks')))} bytes")
except zstd.Error as error:
    assert "length mismatch -> decomp 0 != 131072" in str(error), error
assert zstd.decompress(sized("first") + sized("second")) == b"first\nsecond\n"
assert zstd.decompress(piped("first") + piped("second")) == b"first\n"
PY
venv/bin/python -W ignore run.py
echo "as recorded"
