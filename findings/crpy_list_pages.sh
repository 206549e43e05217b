#!/usr/bin/env bash
# crpy 0.4.0 (PyPI), `list_repositories()` beside distribution 2.8.2 (Debian's docker-registry), which lists 100 a page.
#
# Its text says that all pages are fetched unless a size is given. Guess: 250 repositories for 250. Seen: 200, without an
# error. The third page is asked for and then thrown away, for each call hands on no more than the first page behind its
# own.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install crpy==0.4.0

# A repository is listed when it has a folder for its manifests and tags.
repositories=store/docker/registry/v2/repositories
for number in $(seq 250); do mkdir -p "$repositories/image$number/_layers" "$repositories/image$number/_manifests/tags"; done
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "127.0.0.1:$port" }
YML
docker-registry serve config.yml > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

cat > run.py <<'PY'
import asyncio, json, sys, urllib.request
from crpy.registry import RegistryInfo

base = f"http://127.0.0.1:{sys.argv[1]}"
everything = json.load(urllib.request.urlopen(f"{base}/v2/_catalog?n=1000"))["repositories"]
listed = asyncio.run(RegistryInfo.from_url(f"{base}/image1:1").list_repositories())
assert len(everything) == 250, len(everything)
assert listed == everything[:200], len(listed)
PY
venv/bin/python run.py "$port"
echo "as recorded"
