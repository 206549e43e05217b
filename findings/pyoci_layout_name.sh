#!/usr/bin/env bash
# pyoci 0.2.1 (PyPI), `pyoci build --tag tiny/app:1` into its OCI layout, then `--tag tiny/app:2` into the same; the base is
# in distribution 3.1.2 (Go module) with TLS. skopeo 1.9.3 is Debian's package.
#
# Guess: index.json has an entry for each tag, with the name in `org.opencontainers.image.ref.name`. Seen: it has the last
# image alone, and the name among the annotations of index.json itself, where `skopeo copy oci:FOLDER:tiny/app:2` does not
# look. Files of the program's own, `refs/tags/1` and `refs/tags/2`, have both.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
python3 -m venv python
python/bin/pip install -q pyoci==0.2.1 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost > openssl.txt 2>&1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > registry.yml <<YML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/store}}
http: {addr: "127.0.0.1:$port", tls: {certificate: $work/certificate.pem, key: $work/key.pem}}
YML
./registry serve registry.yml > server.log 2>&1 &
server=$!
export SSL_CERT_FILE=$work/certificate.pem
for _ in $(seq 100); do ./crane catalog "localhost:$port" > out.txt 2>&1 && break; sleep 0.1; done
echo text > a.txt
tar -cf layer.tar a.txt
./crane append --new_layer layer.tar --new_tag "localhost:$port/team/base:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }

mkdir -p app/src/tiny
printf '[project]\nname = "tiny"\nversion = "0.1"\n[project.scripts]\ntiny = "tiny:main"\n' > app/pyproject.toml
echo 'def main(): print(1)' > app/src/tiny/__init__.py
cd app
for tag in 1 2; do
  HOME=$work ../python/bin/pyoci build --tag tiny/app:$tag --label made=$tag --base-image "localhost:$port/team/base:1" --no-progress \
    > ../out.txt 2>&1 || { echo "CHANGED: $(cat ../out.txt)"; exit 1; }
done
same "entries of index.json" "$(python3 - <<'PY'
import json

index = json.load(open("dist/image/index.json"))
print(len(index["manifests"]), [entry.get("annotations") for entry in index["manifests"]], index["annotations"])
PY
)" "1 [None] {'org.opencontainers.image.ref.name': 'tiny/app:2'}"
same "its own files" "$(echo dist/image/refs/tags/*)" "dist/image/refs/tags/1 dist/image/refs/tags/2"
! skopeo --policy ../policy.json copy oci:dist/image:tiny/app:2 dir:../by-skopeo > ../out.txt 2>&1 || { echo "CHANGED: the name is found"; exit 1; }
grep -q 'no descriptor found for reference' ../out.txt || { echo "CHANGED: $(cat ../out.txt)"; exit 1; }
echo "as recorded"
