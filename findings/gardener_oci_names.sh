#!/usr/bin/env bash
# gardener-oci 1.2863.0 (PyPI), `OciImageReference`: valid names of images.
#
# Guess: each is read as docker 7.2.0 (PyPI, Docker's own Python SDK) reads it. Seen:
# - a machine's name with a port and without a dot, as services of a compose file or a cluster have it, `registry:5000/app`, is
#   the repository `registry` on Docker Hub, and an IPv6 address is one, too;
# - `docker.io/app` lacks the `library/` that `app` gets, and is not found there;
# - `with_tag` of a tag that cosign gives to signatures, `sha256-...sig`, makes a digest of it, and of a digest of sha512 a tag.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check gardener-oci==1.2863.0 docker==7.2.0
cat > names.py <<'PY'
from docker.auth import resolve_repository_name
from oci.model import OciImageReference

for name in ["app", "registry.example:5000/app", "registry:5000/app", "[::1]:5000/app", "docker.io/app"]:
    read = OciImageReference(name)
    print(name, "|", read.netloc, read.name, "|", *resolve_repository_name(name))
read = OciImageReference("registry.example/app:1")
for tag in ["2", "sha256:" + "a" * 64, "sha256-" + "a" * 64 + ".sig", "sha512:" + "b" * 128]:
    print(str(read.with_tag(tag)).replace("a" * 64, "A").replace("b" * 128, "B"))
PY
venv/bin/python names.py > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
app | registry-1.docker.io library/app | docker.io app
registry.example:5000/app | registry.example:5000 app | registry.example:5000 app
registry:5000/app | registry-1.docker.io registry | registry:5000 app
[::1]:5000/app | registry-1.docker.io [::1] | [::1]:5000 app
docker.io/app | registry-1.docker.io app | docker.io app
registry.example/app:2
registry.example/app@sha256:A
registry.example/app@sha256-A.sig
registry.example/app:sha512:B
SEEN
echo "as recorded"
