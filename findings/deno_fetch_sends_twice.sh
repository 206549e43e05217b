#!/usr/bin/env bash
# deno 2.9.6 (npm), `fetch` of a POST or PATCH over a connection that has been used before; bun 1.4.5 (npm) and Node beside it.
#
# The server takes all of the request and closes the connection without an answer, as a registry does that is stopped in the
# middle of an upload. Guess: the call fails, for neither method may be sent again by itself (RFC 9110, 9.2.2: what was done
# once may be done twice). Seen: Deno sends the request anew on a second connection before the call fails, so a chunk of an
# upload can arrive twice. Bun and Node send it once. A body that is a stream is sent once by Deno as well.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund deno@2.9.6 bun@1.4.5
cat > server.py <<'PY'
import http.server

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def take(self):
        if "Content-Length" in self.headers:
            self.rfile.read(int(self.headers["Content-Length"]))
        print(self.path.strip("/"), self.command, flush=True)
        self.close_connection = True

    do_POST = do_PATCH = take

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 server.py > seen.txt &
server=$!
for _ in $(seq 100); do [ -s seen.txt ] && break; sleep 0.1; done

cat > client.mjs <<'JS'
const [port, name] = globalThis.Deno ? Deno.args : process.argv.slice(2);
const bytes = new TextEncoder().encode("a chunk of a layer");
const bodies = { bytes: () => bytes, stream: () => new Blob([bytes]).stream() };
for (const [kind, body] of Object.entries(bodies)) {
  for (const method of ["POST", "PATCH"]) {
    const url = `http://127.0.0.1:${port}/${name}-${kind}`;
    await (await fetch(url)).text();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const failed = await fetch(url, { method, body: body(), duplex: "half" }).then(() => false, () => true);
    if (!failed) throw new Error(`${method} did not fail`);
  }
}
JS
node_modules/.bin/deno run --quiet --allow-net client.mjs "$(head -1 seen.txt)" deno
node_modules/.bin/bun client.mjs "$(head -1 seen.txt)" bun
node client.mjs "$(head -1 seen.txt)" node
tail -n +2 seen.txt | uniq -c | sed 's/^ *//' > counted.txt
diff counted.txt - <<'SEEN' || { echo CHANGED; exit 1; }
2 deno-bytes POST
2 deno-bytes PATCH
1 deno-stream POST
1 deno-stream PATCH
1 bun-bytes POST
1 bun-bytes PATCH
1 bun-stream POST
1 bun-stream PATCH
1 node-bytes POST
1 node-bytes PATCH
1 node-stream POST
1 node-stream PATCH
SEEN
echo "as recorded"
