#!/usr/bin/env bash
# docker-charon 0.4.3 (PyPI), which takes images to a registry that has no network as a zip file; on this
# side that of go-containerregistry 0.22.1, on the other distribution 3.1.2 (Go modules).
#
# Guess: an OCI image, which BuildKit and buildah make, arrives like one of Docker's format, or is refused while the file is
# made. Seen: the file is made without a word, and behind the gap its manifest is refused, `400 Client Error`, for it is sent
# under Docker's type; its blobs are there then and nothing names them. An index ends in `KeyError('config')`.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap '[ ${#servers[@]} = 0 ] || kill "${servers[@]}"; rm -rf "$work"' EXIT
cd "$work"

export GOBIN=$work DOCKER_CONFIG=$work/docker OTEL_TRACES_EXPORTER=none
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check docker-charon==0.4.3
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ports=("$(free)" "$(free)")
./crane registry serve --address "127.0.0.1:${ports[0]}" > from.log 2>&1 &
servers+=($!)
printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$work/to" "${ports[1]}" > to.yml
./registry serve to.yml > to.log 2>&1 &
servers+=($!)
for port in "${ports[@]}"; do
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done
done
image=127.0.0.1:${ports[0]}/made/image

tar -cf layer.tar to.yml
./crane append -f layer.tar -t "$image:docker" > out.txt 2>&1
./crane append --oci-empty-base -f layer.tar -t "$image:oci" > out.txt 2>&1
./crane index append -m "$image:oci" -t "$image:index" > out.txt 2>&1
cat > move.py <<'PY'
import sys

import docker_charon

source, target = ("127.0.0.1:" + port for port in sys.argv[1:])
for tag in ["docker", "oci", "index"]:
    step = "make_payload"
    try:
        docker_charon.make_payload(tag + ".zip", ["made/image:" + tag], registry=source, secure=False)
        step = "push_payload"
        docker_charon.push_payload(tag + ".zip", registry=target, secure=False)
        print(tag, "moved")
    except Exception as error:
        print(tag, step, type(error).__name__, str(error)[:16])
PY
timeout 60 venv/bin/python move.py "${ports[@]}" > seen.txt 2> err.txt || { cat err.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
docker moved
oci push_payload HTTPError 400 Client Error
index make_payload KeyError 'config'
SEEN
echo "as recorded"
