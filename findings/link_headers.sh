#!/usr/bin/env bash
# crane 0.22.1, regctl 0.11.7, oras 1.3.6 (Go modules) and skopeo 1.9.3 (Debian's package): a list of tags in three pages, whose
# first one tells the next by a Link header in the forms of RFC 8288.
#
# Guess: six tags each time. Seen, with exit code 0 where some are printed:
# - `rel="last"` before `rel="next"`: crane, oras and skopeo follow whatever link comes first, so the page between is missing;
# - an address that is only a query, `<?last=b>`: skopeo asks the registry's root for it, and ends with an error;
# - `Rel=`, or two relations in one, `rel="next prefetch"`: regctl ends with the first page;
# - a link to a manual, `rel="help"`: crane, oras and skopeo take it for the next page, and end with an error.
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

cat > server.py <<'PY'
import http.server, json, sys, urllib.parse

PATH = "/v2/made/image/tags/list?n=2&last="
LINKS = {
    "plain": f'<{PATH}b>; rel="next"',
    "last-first": f'<{PATH}d>; rel="last", <{PATH}b>; rel="next"',
    "query": '<?n=2&last=b>; rel="next"',
    "upper-case": f'<{PATH}b>; Rel="next"',
    "two-relations": f'<{PATH}b>; rel="next prefetch"',
    "help": f'<https://registry.example/manual>; rel="help", <{PATH}b>; rel="next"',
}
TAGS = {"": "ab", "b": "cd", "d": "ef"}

class Handler(http.server.BaseHTTPRequestHandler):
    form = "plain"

    def log_message(self, *words):
        pass

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path.startswith("/form/"):
            Handler.form = url.path[6:]
        last = urllib.parse.parse_qs(url.query).get("last", [""])[0]
        text = json.dumps({"name": "made/image", "tags": list(TAGS[last])}).encode() if url.path.endswith("/tags/list") else b""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if text and last != "d":
            self.send_header("Link", LINKS[self.form] if last == "" else f'<{PATH}d>; rel="next"')
        self.end_headers()
        self.wfile.write(text)

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 server.py "$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/form/plain" && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"
image=127.0.0.1:$port/made/image

try() { # COMMAND...: prints the tags, or that it fails
  if timeout 20 "$@" > out.txt 2> err.txt; then grep -oE '^ *"?[a-f]"?,?$' out.txt | tr -dc 'a-f'; else printf error; fi
}
for form in plain last-first query upper-case two-relations help; do
  curl -sf "http://127.0.0.1:$port/form/$form"
  echo "$form: crane $(try ./crane ls "$image"), regctl $(try ./regctl tag ls "$image"), oras $(try ./oras repo tags --plain-http "$image")," \
    "skopeo $(try skopeo list-tags --tls-verify=false "docker://$image")"
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
plain: crane abcdef, regctl abcdef, oras abcdef, skopeo abcdef
last-first: crane abef, regctl abcdef, oras abef, skopeo abef
query: crane abcdef, regctl abcdef, oras abcdef, skopeo error
upper-case: crane abcdef, regctl ab, oras abcdef, skopeo abcdef
two-relations: crane abcdef, regctl ab, oras abcdef, skopeo abcdef
help: crane error, regctl abcdef, oras error, skopeo error
SEEN
echo "as recorded"
