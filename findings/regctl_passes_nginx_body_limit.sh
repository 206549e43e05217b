#!/usr/bin/env bash
# regctl 0.11.7, crane 0.22.1, oras 1.3.6 (Go modules) through nginx 1.22.1 with its own settings in front of
# docker-registry 2.8.2 (Debian's packages): a blob of 3 MiB.
#
# nginx takes 1 MiB of a body at most (client_max_body_size). Guess: all fail with 413 until nginx is told otherwise.
# Seen: crane and oras do; regctl meets the same 413, sends the blob anew in smaller chunks and succeeds.
set -euo pipefail
work=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" || true; done; rm -rf "$work"' EXIT
cd "$work"

PATH=$PATH:/usr/sbin
nginx -v 2>&1 | grep -q 'nginx/1\.22\.1' || { echo "needs nginx 1.22.1"; exit 1; }
docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
GOBIN=$work go install oras.land/oras/cmd/oras@v1.3.6
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
back=$(free_port)
front=$(free_port)
cat > registry.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "127.0.0.1:$back" }
YML
mkdir temp
cat > nginx.conf <<NGINX
daemon off;
master_process off;
pid $work/nginx.pid;
error_log $work/error.log;
events {}
http {
  access_log $work/access.log;
  client_body_temp_path $work/temp/body;
  proxy_temp_path $work/temp/proxy;
  fastcgi_temp_path $work/temp/fastcgi;
  uwsgi_temp_path $work/temp/uwsgi;
  scgi_temp_path $work/temp/scgi;
  server {
    listen 127.0.0.1:$front;
    location / {
      proxy_pass http://127.0.0.1:$back;
      proxy_set_header Host \$http_host;
    }
  }
}
NGINX
docker-registry serve registry.yml > registry.log 2>&1 &
pids+=($!)
nginx -p "$work" -e "$work/error.log" -c "$work/nginx.conf" > nginx.log 2>&1 &
pids+=($!)
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$front/v2/" > out.txt && break; sleep 0.1; done

head -c 3145728 /dev/urandom > big
tar -cf layer.tar big
fails() {
  if "$@" > out.txt 2>&1; then echo "CHANGED: it passes: $*"; exit 1; fi
  grep -q 413 out.txt || { echo "CHANGED: another error: $(cat out.txt)"; exit 1; }
}
fails ./crane append -f layer.tar -t "127.0.0.1:$front/made/crane:1"
fails ./oras blob push --plain-http "127.0.0.1:$front/made/oras" big
./regctl registry set --tls disabled "127.0.0.1:$front" > out.txt 2>&1
before=$(grep -c ' 413 ' access.log)
./regctl artifact put --artifact-type application/x.made --file big "ocidir://layout:1" > out.txt
./regctl image copy ocidir://layout:1 "127.0.0.1:$front/made/regctl:1" > out.txt 2>&1 || { echo "CHANGED: regctl fails: $(cat out.txt)"; exit 1; }
[ "$(grep -c ' 413 ' access.log)" = $((before + 1)) ] || { echo "CHANGED: regctl met $(grep -c ' 413 ' access.log) 413"; exit 1; }
status=$(curl -s -o copy -w '%{http_code}' "http://127.0.0.1:$front/v2/made/regctl/blobs/sha256:$(sha256sum big | cut -d ' ' -f 1)")
[ "$status" = 200 ] && cmp -s big copy || { echo "CHANGED: the blob is not there"; exit 1; }
echo "as recorded"
