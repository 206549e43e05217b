#!/usr/bin/env bash
# aioregistry 0.7.3 (PyPI), `Manifest.parse` of an OCI manifest with annotations, artifactType and subject.
#
# The comment on `digest` says that it may differ by the form of the JSON. Guess: the content is the same. Seen:
# `canonical()`, the text that `manifest_write` sends, has lost annotations, artifactType and subject, so what is
# pushed is another manifest: no longer an artifact, and no referrer. The annotations of a layer stay.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install aioregistry==0.7.3
venv/bin/python - 2> warnings.txt <<'PY'
import json
from aioregistry.models import Manifest

def descriptor(media_type, **more):
    return {"mediaType": media_type, "digest": "sha256:" + "a" * 64, "size": 2, **more}

kind = "application/vnd.oci.image.manifest.v1+json"
kept = {
    "schemaVersion": 2,
    "mediaType": kind,
    "config": descriptor("application/vnd.oci.empty.v1+json"),
    "layers": [descriptor("application/x.made", annotations={"a": "b"})],
}
lost = {"artifactType": "application/x.made", "subject": descriptor(kind), "annotations": {"a": "b"}}
text = Manifest.parse({**kept, **lost}).canonical()
assert json.loads(text) == kept, text
PY
echo "as recorded"
