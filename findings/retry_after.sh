#!/usr/bin/env bash
# crane 0.22.1, regctl 0.11.7, oras 1.3.6 (Go modules) and skopeo 1.9.3 (Debian's package): a registry that is busy for ten
# seconds and tells how long in each answer, by Retry-After in seconds or as a date (RFC 9110, 10.2.3).
#
# All four try a request again by themselves. Guess: after the time that they are told. Seen:
# - 429 with seconds: crane goes by times of its own, has used up its three attempts by then, and fails;
# - 429 with a date: regctl and oras do not read it, ask five and six times meanwhile, and fail; skopeo alone gets the image;
# - 503, which the header was made for: none of them gets it; regctl and skopeo do not ask again at all.
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
import email.utils, hashlib, http.server, json, math, sys, time

kind = "application/vnd.oci.image.manifest.v1+json"
empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + hashlib.sha256(b"{}").hexdigest(), "size": 2}
manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "artifactType": "application/vnd.made", "config": empty, "layers": [empty]})

class Handler(http.server.BaseHTTPRequestHandler):
    form = "none"
    ready = None

    def log_message(self, *words):
        pass

    def answer(self, status, text, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text.encode())

    def do_GET(self):
        if self.path.startswith("/form/"):
            Handler.form = self.path[6:]
            Handler.ready = None
        if "/manifests/" not in self.path:
            return self.answer(200, "{}")
        if self.ready is None:
            Handler.ready = time.time() + 10
        seconds = math.ceil(self.ready - time.time())
        if self.form == "none" or seconds <= 0:
            digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
            return self.answer(200, manifest, Content_Type=kind, Docker_Content_Digest=digest)
        status, way = self.form.split("-")
        date = email.utils.formatdate(self.ready + 1, usegmt=True)
        self.answer(int(status), "{}", Retry_After=date if way == "date" else str(seconds))

    do_HEAD = do_GET

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 server.py "$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/form/none" > out.txt && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"
image=127.0.0.1:$port/made/image:1

try() { # NAME COMMAND...: prints the name if the command ends well
  curl -sf "http://127.0.0.1:$port/form/$form" > out.txt
  if timeout 60 "${@:2}" > out.txt 2>&1; then printf ' %s' "$1"; fi
}
for form in none 429-seconds 429-date 503-seconds; do
  printf '%s:' $form
  try crane ./crane manifest "$image"
  try regctl ./regctl manifest get "$image"
  try oras ./oras manifest fetch --plain-http "$image"
  try skopeo skopeo --policy policy.json inspect --raw --tls-verify=false "docker://$image"
  echo
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
none: crane regctl oras skopeo
429-seconds: regctl oras skopeo
429-date: skopeo
503-seconds:
SEEN
echo "as recorded"
