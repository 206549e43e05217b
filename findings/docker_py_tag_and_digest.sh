#!/usr/bin/env bash
# docker 7.2.0 (PyPI, Docker's own Python SDK), `docker.utils.parse_repository_tag` of a name with tag and digest.
#
# `pull` and `push` part names with it. Guess: the repository comes without the tag. Seen: for
# `NAME:TAG@DIGEST`, the form that Docker's own tools print and take, the repository is `NAME:TAG`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install docker==7.2.0
venv/bin/python - <<'PY'
from docker.utils import parse_repository_tag

digest = "sha256:" + "a" * 64
parts = parse_repository_tag("localhost:5000/app:1.2@" + digest)
assert parts == ("localhost:5000/app:1.2", digest), parts
parts = parse_repository_tag("localhost:5000/app@" + digest)
assert parts == ("localhost:5000/app", digest), parts
PY
echo "as recorded"
