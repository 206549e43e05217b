#!/usr/bin/env bash
# regmirror 1.2.1 (PyPI) with skopeo 1.9.3 (Debian's package): `regmirror sync` of images with tags, from crane's registry (crane
# 0.22.1, Go module) into another.
#
# Guess: the other registry has them under their tags, as the program's own example says. Seen:
# - an image of OCI's types is uploaded by its digest, and no tag names it; the exit code is 0;
# - an image of Docker's types is not uploaded: the archive that it is kept in is OCI's, so its digest is another by then;
# - `team/app:1-2` and `team/app-1:2` are kept in one file, and so in one entry of the list that is to keep names apart.
set -euo pipefail
work=$(mktemp -d)
servers=()
trap 'for server in "${servers[@]}"; do kill "$server"; done; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
python3 -m venv python
python/bin/pip install -q regmirror==1.2.1 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
export HOME=$work
mkdir -p .config/containers
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > .config/containers/policy.json

serve() {
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  ./crane registry serve --address "127.0.0.1:$port" > "$port.log" 2>&1 &
  servers+=($!)
  for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
}
serve
from=127.0.0.1:$port
serve
to=127.0.0.1:$port
push() {
  echo "$1" > name.txt
  tar -cf layer.tar name.txt
  ./crane append "${@:2}" --new_layer layer.tar --new_tag "$from/$1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
}
sync() {
  code=0
  printf "$from/%s\n" "${@:2}" > images.txt
  python/bin/regmirror sync -f images.txt -o "$1" -r "$to" --src-tls-verify=false --dest-tls-verify=false > out.txt 2>&1 || code=$?
}
there=$to/${from//[.:]/}

push oci:1 --oci-empty-base
sync oci oci:1
same "exit code for OCI's types" "$code" 0
same "by digest" "$(./crane digest "$there/oci@$(./crane digest "$from/oci:1")")" "$(./crane digest "$from/oci:1")"
same "tags" "$(./crane ls "$there/oci")" ""
push docker:1
sync docker docker:1
same "exit code for Docker's types" "$code" 1
grep -q "Digest of source image's manifest would not match destination reference" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
push team/app:1-2 --oci-empty-base
push team/app-1:2 --oci-empty-base
sync two team/app:1-2 team/app-1:2
same "exit code for two" "$code" 0
same "listed" "$(python3 -c 'import json; print([listed["original"].split("/", 1)[1] for listed in json.load(open("two/manifest.json")).values()])')" "['team/app-1:2']"
same "repositories" "$(./crane catalog "$to" | cut -d / -f 2- | xargs)" "oci team/app-1"
echo "as recorded"
