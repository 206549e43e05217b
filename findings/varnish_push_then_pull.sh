#!/usr/bin/env bash
# Varnish 7.1.1 (Debian's package) with nothing set but its backend, before distribution 3.1.2 (Go module): an image is pushed
# through it and read back.
#
# Guess: what has been pushed can be pulled; RFC 9111 (4.4) has a cache forget an address that a PUT has gone to. Seen: crane
# 0.22.1 (Go module) pushes with exit code 0 and gets 404 for the manifest afterwards, for before its PUT it asked with
# HEAD, and that 404 is the answer for two minutes. Distribution itself has the manifest. skopeo 1.9.3 (Debian's package)
# gets 404 for the layer that it has pushed.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap 'for server in "${servers[@]}"; do kill "$server"; done; wait; rm -rf "$work"' EXIT
cd "$work"
chmod 755 "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

varnish=$(PATH=$PATH:/usr/sbin command -v varnishd) || { echo "needs varnishd"; exit 1; }
"$varnish" -V 2>&1 | grep -q 'varnish-7\.1\.1' || { echo "needs Varnish 7.1.1"; exit 1; }
skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
direct=127.0.0.1:$(port)
cached=127.0.0.1:$(port)
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "$direct" }
YML
OTEL_TRACES_EXPORTER=none ./registry serve config.yml > server.log 2>&1 &
servers+=($!)
printf 'vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "%s"; }\n' "${direct#*:}" > default.vcl
"$varnish" -F -a "$cached" -f "$work/default.vcl" -n "$work/varnish" -s malloc,16m > varnish.log 2>&1 &
servers+=($!)
for _ in $(seq 300); do curl -sf "http://$cached/v2/" > out.txt && break; sleep 0.1; done

printf hello > file.txt
tar -cf layer.tar file.txt
./crane append --oci-empty-base -f layer.tar -t "$direct/made/source:1" > out.txt 2>&1
./crane pull --format oci "$direct/made/source:1" source > out.txt 2>&1
./crane push source "$cached/by-crane:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
status() { curl -s -o out.txt -w '%{http_code}' -H 'Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json' "http://$1/v2/by-crane/manifests/1"; }
same "the manifest in distribution" "$(status "$direct")" 200
same "the manifest through Varnish" "$(status "$cached")" 404
if ./crane digest "$cached/by-crane:1" > out.txt 2>&1; then echo "CHANGED: $(cat out.txt)"; exit 1; fi
skopeo --policy policy.json copy --src-tls-verify=false --dest-tls-verify=false "docker://$direct/made/source:1" "docker://$cached/by-skopeo:1" > out.txt 2>&1
if skopeo --policy policy.json copy --src-tls-verify=false "docker://$cached/by-skopeo:1" dir:pulled > out.txt 2>&1; then echo "CHANGED: it is pulled"; exit 1; fi
grep -q 'Error fetching blob: invalid status code from registry 404' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
skopeo --policy policy.json copy --src-tls-verify=false "docker://$direct/by-skopeo:1" dir:direct > out.txt 2>&1
echo "as recorded"
