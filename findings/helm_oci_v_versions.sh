#!/usr/bin/env bash
# helm 3.22.0 (Go module), charts whose versions begin with `v`, as many projects number theirs, in a registry: that of
# go-containerregistry 0.22.1 (Go module).
#
# `helm push` takes them, and `--version` says that a range may be given and that the latest is used without it. Guess: v1.3.0
# is found by `^1.2.0` and as the latest, as in a chart repository over http. Seen: `Unable to locate any tags`, though
# there are two; and with a 1.0.0 beside them that one is the latest, exit code 0. Only the whole `--version v1.3.0` finds it.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap '[ ${#servers[@]} = 0 ] || kill "${servers[@]}"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
GOBIN=$work go install helm.sh/helm/v3/cmd/helm@v3.22.0
export DOCKER_CONFIG=$work/docker HELM_CACHE_HOME=$work/cache HELM_CONFIG_HOME=$work/config HELM_DATA_HOME=$work/data
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free)
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
servers+=($!)
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

mkdir -p source/chart charts
chart() { # VERSION
  printf 'apiVersion: v2\nname: chart\nversion: %s\n' "$1" > source/chart/Chart.yaml
  ./helm package source/chart --destination charts > out.txt
  ./helm push "charts/chart-$1.tgz" "oci://127.0.0.1:$port/charts" --plain-http > out.txt 2>&1
}
version() { ./helm show chart "$@" 2>&1 | sed -n 's/^version: //p; s/^Error: \(Unable to locate any tags\).*/\1/p'; }
by_oci() { version "oci://127.0.0.1:$port/charts/chart" --plain-http "$@"; }
chart v1.2.0
chart v1.3.0
same "tags" "$(./crane ls "127.0.0.1:$port/charts/chart" | tr '\n' ' ')" "v1.2.0 v1.3.0 "
same "latest" "$(by_oci)" "Unable to locate any tags"
same "^1.2.0" "$(by_oci --version '^1.2.0')" "Unable to locate any tags"
same "v1.3.0" "$(by_oci --version v1.3.0)" v1.3.0
chart 1.0.0
same "latest beside 1.0.0" "$(by_oci)" 1.0.0

web=$(free)
./helm repo index charts
python3 -m http.server "$web" --bind 127.0.0.1 --directory charts > web.log 2>&1 &
servers+=($!)
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$web/index.yaml" > out.txt && break; sleep 0.1; done
by_http() { version chart --repo "http://127.0.0.1:$web" "$@"; }
same "http, latest" "$(by_http)" v1.3.0
same "http, ^1.2.0" "$(by_http --version '^1.2.0')" v1.3.0
echo "as recorded"
