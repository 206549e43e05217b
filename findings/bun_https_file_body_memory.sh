#!/usr/bin/env bash
# bun 1.4.5 (npm), `fetch` with a part of a file as its body: how an uploader sends a layer out of an archive.
#
# Guess: the file is read piece by piece, whatever the scheme. Seen: over http the memory of the process does not grow with the
# file (the kernel sends it); over https all of it is in memory, and more than once, before the first byte goes.
set -euo pipefail
work=$(mktemp -d)
trap '[ -z "${servers:-}" ] || kill $servers; rm -rf "$work"' EXIT
cd "$work"

npm install --silent --no-audit --no-fund bun@1.4.5
bun="$work/node_modules/.bin/bun"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem 2> /dev/null
cat > server.py <<'CODE'
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        left = int(self.headers["content-length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(201)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if sys.argv[1] == "https":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("cert.pem", "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
open(sys.argv[1] + ".port", "w").write(str(server.server_address[1]))
server.serve_forever()
CODE
for scheme in http https; do python3 server.py $scheme & servers="${servers:-} $!"; done
for _ in $(seq 100); do [ -s http.port ] && [ -s https.port ] && break; sleep 0.1; done
cat > put.mjs <<'CODE'
const [scheme, port, mebibytes] = process.argv.slice(2);
const body = Bun.file("layer").slice(0, Number(mebibytes) * 2 ** 20);
const init = { method: "PUT", body, tls: { rejectUnauthorized: false } };
const { status } = await fetch(`${scheme}://localhost:${port}/`, init);
if (status !== 201) throw new Error(`${status}`);
const peak = /VmHWM:\s+(\d+)/.exec(await Bun.file("/proc/self/status").text())[1];
console.log(Math.round(Number(peak) / 1024));
CODE
truncate -s 300M layer

put() { "$bun" put.mjs "$1" "$(cat "$1.port")" "$2"; }
plain=$(put http 300)
small=$(put https 1)
large=$(put https 300)
echo "MiB at most: http 300 MiB $plain, https 1 MiB $small, https 300 MiB $large"
[ "$plain" -lt 150 ] || { echo "CHANGED: http takes $plain MiB, was about 30"; exit 1; }
[ "$small" -lt 150 ] || { echo "CHANGED: https takes $small MiB for 1 MiB, was about 35"; exit 1; }
[ "$large" -gt 450 ] || { echo "CHANGED: https takes $large MiB for 300 MiB, was above 600"; exit 1; }
echo "as recorded"
