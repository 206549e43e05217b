#!/usr/bin/env bash
# containerimage-py 1.1.4 (PyPI), a name with a port and without a tag.
#
# `registry.example/app` is valid and stands for `latest`. Guess: so does `localhost:5000/app`. Seen: `validate_static`
# says that it is valid, and the registry and the path are right, but it counts as neither a tag nor a digest, and
# `get_identifier` raises `Not a valid tag or digest ref` (a plain Exception, not the library's own error).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install containerimage-py==1.1.4
venv/bin/python - <<'PY'
from image.containerimage import ContainerImage

plain = ContainerImage("registry.example/app")
assert (plain.is_tag_ref(), plain.get_identifier()) == (True, "latest")

name = "localhost:5000/app"
assert ContainerImage.validate_static(name) == (True, "")
port = ContainerImage(name)
assert (port.get_registry(), port.get_path()) == ("localhost:5000", "app")
assert (port.is_tag_ref(), port.is_digest_ref()) == (False, False)
try:
    raise SystemExit("CHANGED: " + port.get_identifier())
except Exception as error:
    assert type(error) is Exception and str(error) == "Not a valid tag or digest ref: " + name, error
PY
echo "as recorded"
