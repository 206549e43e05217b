#!/usr/bin/env bash
# crane 0.22.1, regctl 0.11.7, oras 1.3.6 (Go modules) and skopeo 1.9.3 (Debian's package): a registry that gives a token to
# everybody, and tells so in the forms of RFC 9110, 11.6.1.
#
# Guess: each form leads to the token. Seen:
# - Basic is offered beside Bearer, in a line of its own before it or in the same one: regctl alone gets there; the others take the
#   first and stop at 401, though oras knows no login for it. The other way around all four do;
# - an unknown scheme in a line before it: oras stops;
# - `Realm=` in upper case (names of parameters have none): oras asks no address, `unsupported protocol scheme ""`;
# - spaces around `=`, which a reader must take (5.6.3): oras alone reads them.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

cat > server.py <<'PY'
import hashlib, http.server, json, sys

port = int(sys.argv[1])
realm = f"http://127.0.0.1:{port}/token"
bearer = f'Bearer realm="{realm}",service="made"'
CHALLENGES = {
    "plain": [bearer],
    "bearer-basic": [bearer, 'Basic realm="made"'],
    "basic-bearer": ['Basic realm="made"', bearer],
    "one-line": [f'Basic realm="made", {bearer}'],
    "unknown": ["Negotiate", bearer],
    "upper-case": [f'Bearer Realm="{realm}",Service="made"'],
    "spaces": [f'Bearer realm = "{realm}", service = "made"'],
}
empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + hashlib.sha256(b"{}").hexdigest(), "size": 2}
kind = "application/vnd.oci.image.manifest.v1+json"
manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "artifactType": "application/vnd.made", "config": empty, "layers": [empty]})

class Handler(http.server.BaseHTTPRequestHandler):
    form = "plain"

    def log_message(self, *words):
        pass

    def answer(self, status, text, headers=()):
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(text)))]:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text.encode())

    def do_GET(self):
        if self.path.startswith("/form/"):
            Handler.form = self.path[6:]
            self.answer(200, "")
        elif self.path.startswith("/token"):
            self.answer(200, '{"token": "made"}', [("Content-Type", "application/json")])
        elif self.headers.get("Authorization") != "Bearer made":
            self.answer(401, "{}", [("WWW-Authenticate", one) for one in CHALLENGES[self.form]])
        elif "/manifests/" in self.path:
            digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
            self.answer(200, manifest, [("Content-Type", kind), ("Docker-Content-Digest", digest)])
        else:
            self.answer(200, "{}")

    do_HEAD = do_GET

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 server.py "$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/form/plain" && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"
image=127.0.0.1:$port/made/image:1

try() { # NAME COMMAND...: prints the name if the command ends well
  if timeout 20 "${@:2}" > out.txt 2>&1; then printf ' %s' "$1"; fi
}
for form in plain bearer-basic basic-bearer one-line unknown upper-case spaces; do
  curl -sf "http://127.0.0.1:$port/form/$form"
  printf '%s:' $form
  try crane ./crane manifest "$image"
  try regctl ./regctl manifest get "$image"
  try oras ./oras manifest fetch --plain-http "$image"
  try skopeo skopeo --policy policy.json inspect --raw --tls-verify=false "docker://$image"
  echo
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
plain: crane regctl oras skopeo
bearer-basic: crane regctl oras skopeo
basic-bearer: regctl
one-line: regctl
unknown: crane regctl skopeo
upper-case: crane regctl skopeo
spaces: oras
SEEN
echo "as recorded"
