#!/usr/bin/env bash
# docker-registry-client-async 1.0.3 (PyPI), an image of a private registry whose repository has no folder:
# `127.0.0.1:5000/app:1`.
#
# `library/` is Docker Hub's own folder. Guess: the registry is asked for `app`. Seen: it is asked for `library/app`,
# whatever the registry is, so the image is not found (404) where crane 0.22.1 has just put it, and with a `library/app`
# beside it that one is the answer. `team/app` is asked for as it is.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install docker-registry-client-async==1.0.3
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
for name in app team/app library/app; do
  printf %s $name > file.txt
  tar -cf layer.tar file.txt
  ./crane append -f layer.tar -t "127.0.0.1:$port/$name:1" > out.txt 2>&1
done
./crane append -f layer.tar -t "127.0.0.1:$port/alone:1" > out.txt 2>&1

cat > run.py <<'PY'
import asyncio, subprocess, sys
from docker_registry_client_async import DockerRegistryClientAsync, ImageName

registry = f"127.0.0.1:{sys.argv[1]}"

async def status_and_digest(name):
    async with DockerRegistryClientAsync() as client:
        answer = await client.head_manifest(ImageName.parse(f"{registry}/{name}:1"), protocol="http")
    return answer.client_response.status, answer.client_response.headers.get("Docker-Content-Digest")

def digest(name):
    return subprocess.run(["./crane", "digest", f"{registry}/{name}:1"], check=True, capture_output=True, text=True).stdout.strip()

assert asyncio.run(status_and_digest("team/app")) == (200, digest("team/app"))
assert asyncio.run(status_and_digest("alone"))[0] == 404
assert digest("app") != digest("library/app")
assert asyncio.run(status_and_digest("app")) == (200, digest("library/app"))
PY
venv/bin/python run.py "$port"
echo "as recorded"
