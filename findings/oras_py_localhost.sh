#!/usr/bin/env bash
# oras 0.2.43 (PyPI), the image name `localhost/app:1`.
#
# Docker, podman, crane and the Go library of oras all take `localhost` before a slash as the registry, without a port
# or a dot. Seen here: the registry is docker.io and `localhost` a namespace of it, so a push meant for this machine
# goes to the public registry. With a port the name is read as everywhere.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install oras==0.2.43
venv/bin/python - <<'PY'
from oras.container import Container

def parts(name):
    container = Container(name)
    return container.registry, container.namespace, container.repository, container.tag

plain, port = parts("localhost/app:1"), parts("localhost:5000/app:1")
assert plain == ("docker.io", "localhost", "app", "1"), plain
assert port == ("localhost:5000", None, "app", "1"), port
PY
echo "as recorded"
