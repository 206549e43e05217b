#!/usr/bin/env bash
# nginx 1.22.1 (Debian's package) with `proxy_cache_valid 200 1m`, before distribution 3.1.2 (Go module).
#
# A tag is pushed, given another image, and given the first one back, all through the cache and within a minute. Guess: it
# names what was pushed last, or the push fails. Seen: crane 0.22.1 and regctl 0.11.7 (Go modules) end with exit code 0, and
# the tag still names the other image: before it writes, each asks what the tag names, and nginx answers from what it kept,
# without an Age. skopeo 1.9.3 (Debian's package) writes without asking.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap 'for server in "${servers[@]}"; do kill "$server"; done; wait; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || { echo "needs nginx"; exit 1; }
"$nginx" -v 2>&1 | grep -q '/1\.22\.1$' || { echo "needs nginx 1.22.1"; exit 1; }
skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
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
cat > nginx.conf <<CONF
daemon off; pid $work/pid; error_log $work/error.log; user root;
events {}
http {
  access_log off;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi; uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  proxy_cache_path $work/cache keys_zone=kept:1m;
  server {
    listen $cached;
    location / { proxy_pass http://$direct; proxy_set_header Host \$http_host; proxy_cache kept; proxy_cache_valid 200 1m; }
  }
}
CONF
"$nginx" -p "$work" -c nginx.conf > nginx.log 2>&1 &
servers+=($!)
for _ in $(seq 300); do curl -sf "http://$cached/v2/" > out.txt && break; sleep 0.1; done

for name in one other; do
  echo "$name" > file.txt
  tar -cf layer.tar file.txt
  ./crane append --oci-empty-base -f layer.tar -t "$direct/made/$name:1" > out.txt 2>&1
  ./crane pull --format oci "$direct/made/$name:1" "$name" > out.txt 2>&1
  skopeo --policy policy.json copy --src-tls-verify=false "docker://$direct/made/$name:1" "oci:$name-oci:1" > out.txt 2>&1
done
push() { # TOOL NAME
  case $1 in
    crane) ./crane push "$2" "$cached/$1:1" ;;
    regctl) ./regctl --host "reg=$cached,tls=disabled" image copy "ocidir://$2-oci:1" "$cached/$1:1" ;;
    skopeo) skopeo --policy policy.json copy --dest-tls-verify=false "oci:$2-oci:1" "docker://$cached/$1:1" ;;
  esac > out.txt 2>&1 || { echo "CHANGED: $1 fails: $(cat out.txt)"; exit 1; }
}
named() { # TOOL: which image its tag names in the registry
  local digest
  digest=$(./crane digest "$direct/$1:1")
  for name in one other; do [ "$digest" = "$(./crane digest "$direct/made/$name:1")" ] && echo "$name"; done
}
for tool in crane regctl skopeo; do
  push "$tool" one
  push "$tool" one
  push "$tool" other
  same "$tool, the other image" "$(named "$tool")" other
  push "$tool" one
done
same "crane, the first image again" "$(named crane)" other
same "regctl, the first image again" "$(named regctl)" other
same "skopeo, the first image again" "$(named skopeo)" one
echo "as recorded"
