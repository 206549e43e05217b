#!/usr/bin/env bash
# zuul-registry 1.3.0 (PyPI), the registry of Zuul's image jobs, and the list of tags after a push of one image as app:1.
#
# Guess: `crane ls` (0.22.1) prints 1, as regctl (0.11.7) does. Seen: crane fails with a page that says 404. It asks for
# `tags/list?n=1000`, as the specification has it, and with any query there is nothing at that path; regctl asks without.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work/login" HOME="$work" GOFLAGS=-modcacherw
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1 > go.txt 2>&1 || { cat go.txt; exit 1; }
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7 > go.txt 2>&1 || { cat go.txt; exit 1; }
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install zuul-registry==1.3.0

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
host=127.0.0.1:$port
cat > registry.yaml <<YML
registry:
  address: 127.0.0.1
  port: $port
  public-url: http://$host
  secret: some
  users: [{ name: writer, pass: word, access: write }]
  storage: { driver: filesystem, root: $work/store }
YML
mkdir store
venv/bin/zuul-registry -c registry.yaml serve > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -s -o out.txt "http://$host/v2/" && break; sleep 0.1; done

./crane auth login --insecure "$host" -u writer -p word 2> login.txt || { cat login.txt; exit 1; }
echo hello > file
tar cf layer.tar file
./crane append --insecure -f layer.tar -t "$host/app:1" > push.txt 2>&1 || { cat push.txt; exit 1; }
if ./crane ls --insecure "$host/app" > crane.txt 2>&1; then code=0; else code=$?; fi
same "exit code of crane ls" "$code" 1
same "its answer" "$(grep -o 'tags/list?n=1000: unexpected status code 404' crane.txt)" 'tags/list?n=1000: unexpected status code 404'
./regctl registry set --tls disabled "$host" > set.txt 2>&1
same "tags by regctl" "$(./regctl tag ls "$host/app" 2> regctl.txt)" 1
echo "as recorded"
