#!/usr/bin/env bash
# zstandard 0.25.0 (PyPI), zstd bytes of two frames, and of a frame behind a skippable one (both valid, RFC 8878).
#
# Guess: all readers of one decompressor treat them alike. Seen, none with an error but the last:
# - two frames: `copy_stream` and `stream_reader` give both, the latter even with its default `read_across_frames=False`;
#   `read_to_iter` and `decompress` give the first alone.
# - a skippable frame in front: `copy_stream` and `stream_reader` give the content, `read_to_iter` gives nothing, and
#   `decompress` fails with `decompressed 0 bytes; expected 4`: it takes the skippable frame's length for the content's.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install zstandard==0.25.0
venv/bin/python - <<'PY'
import io, zstandard

def copied(data):
    out = io.BytesIO()
    zstandard.ZstdDecompressor().copy_stream(io.BytesIO(data), out)
    return out.getvalue()

def read(data):
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()

def iterated(data):
    return b"".join(zstandard.ZstdDecompressor().read_to_iter(io.BytesIO(data)))

def at_once(data):
    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        return str(error)

compress = zstandard.ZstdCompressor().compress
two = compress(b"first ") + compress(b"second")
seen = [reader(two) for reader in (copied, read, iterated, at_once)]
assert seen == [b"first second", b"first second", b"first ", b"first "], seen

skippable = b"\x50\x2a\x4d\x18\x04\0\0\0made" + compress(b"content")
seen = [reader(skippable) for reader in (copied, read, iterated, at_once)]
assert seen == [b"content", b"content", b"", "decompression error: decompressed 0 bytes; expected 4"], seen
PY
echo "as recorded"
