#!/usr/bin/env bash
# opencontainers 0.0.15 (PyPI, "Python module for oci specifications"), `load` of a manifest, an index and a config.
#
# Guess: an OCI manifest is read, or an exception tells what is wrong with it. Seen: one that names its own `mediaType`, as
# image-spec asks for and every builder writes, ends the whole program: sys.exit(1) after `mediaType is not a valid json
# attribute.` on stderr. So does an index, and a config with the `variant` of linux/arm/v7. Without them each is read.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install opencontainers==0.0.15
cat > run.py <<'PY'
from opencontainers.image.v1 import Image, Index, Manifest

OCI = "application/vnd.oci.image"
DIGEST = "sha256:" + "a" * 64
config = {"mediaType": f"{OCI}.config.v1+json", "digest": DIGEST, "size": 10}
layer = {"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": DIGEST, "size": 10}
image = {"mediaType": f"{OCI}.manifest.v1+json", "digest": DIGEST, "size": 10}

def outcome(kind, document):
    try:
        kind().load(document)
        return "read"
    except SystemExit as end:
        return f"exit {end.code}"

for kind, document, field in (
    (Manifest, {"schemaVersion": 2, "config": config, "layers": [layer]}, {"mediaType": f"{OCI}.manifest.v1+json"}),
    (Index, {"schemaVersion": 2, "manifests": [image]}, {"mediaType": f"{OCI}.index.v1+json"}),
    (Image, {"architecture": "arm", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [DIGEST]}}, {"variant": "v7"}),
):
    print(kind.__name__, outcome(kind, document), "|", *field, outcome(kind, {**document, **field}))
PY
venv/bin/python run.py > seen.txt 2> err.txt || { cat seen.txt err.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
Manifest read | mediaType exit 1
Index read | mediaType exit 1
Image read | variant exit 1
SEEN
grep -qx 'mediaType is not a valid json attribute.' err.txt || { echo "CHANGED: $(cat err.txt)"; exit 1; }
echo "as recorded"
