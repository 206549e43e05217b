#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane pull` of a chart that helm 3.22.0 (Go module) has pushed, and `crane push` of the file.
#
# Guess: the pull refuses what is no image, or the push brings it back. Seen: the pull ends well, and crane refuses to push
# its own file, `config has 0 rootfs.diff_ids`; the file does not tell the chart's media types, so it cannot come back from
# it. `--format oci` keeps the digest.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work HELM_CONFIG_HOME=$work/helm-config HELM_CACHE_HOME=$work/helm-cache HELM_DATA_HOME=$work/helm-data
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install helm.sh/helm/v3/cmd/helm@v3.22.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

./helm create made > out.txt
./helm package made > out.txt
./helm push made-0.1.0.tgz "oci://127.0.0.1:$port/charts" --plain-http > out.txt 2>&1
chart=127.0.0.1:$port/charts/made:0.1.0
./crane pull "$chart" chart.tar > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
if ./crane push chart.tar "127.0.0.1:$port/again/made:0.1.0" > out.txt 2>&1; then echo "CHANGED: it is pushed"; exit 1; fi
grep -q 'config has 0 rootfs.diff_ids' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
mkdir unpacked
tar -xf chart.tar -C unpacked
if grep -rq cncf.helm unpacked; then echo "CHANGED: its types are told"; exit 1; fi
./crane pull --format oci "$chart" layout > out.txt 2>&1
./crane push layout "127.0.0.1:$port/again/made:0.1.0" > out.txt 2>&1
same "by way of a layout" "$(./crane digest "127.0.0.1:$port/again/made:0.1.0")" "$(./crane digest "$chart")"
echo "as recorded"
