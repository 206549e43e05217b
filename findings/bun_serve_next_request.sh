#!/usr/bin/env bash
# bun 1.4.5 (npm), `Bun.serve` with a handler that answers after 50 ms; requests of HTTP/1.1 as RFC 9112 has them.
#
# Guess: two requests that come in one packet (pipelining, 9.3.2) are answered one after the other, and the trailer fields
# of a chunked body (7.1.2) are read or dropped. Seen: of two requests neither is answered, the connection is closed; and
# trailer fields are taken for the beginning of the next request, whose 400 is all that comes back, though the handler had
# the whole body. Where the second request comes 200 ms later both are answered.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

npm install --prefix "$work" --silent --no-audit --no-fund bun@1.4.5
cat > serve.js <<'JS'
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const text = await request.text();
    console.error(`read ${text}`);
    await Bun.sleep(50);
    return new Response(`answer to ${text}\n`);
  },
});
console.log(server.port);
JS
cat > ask.py <<'PY'
import re, socket, sys, time

head = b"Host: localhost\r\n"
first = b"POST /1 HTTP/1.1\r\n" + head + b"Content-Length: 3\r\n\r\none"
second = b"POST /2 HTTP/1.1\r\n" + head + b"Connection: close\r\nContent-Length: 3\r\n\r\ntwo"
chunked = b"POST /3 HTTP/1.1\r\n" + head + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n"
cases = {
    "at once": [first + second],
    "apart": [first, second],
    "chunked": [chunked + b"\r\n"],
    "trailer": [chunked + b"X-Digest: abc\r\n\r\n"],
}
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5) as connection:
    for part in cases[sys.argv[2]]:
        connection.sendall(part)
        time.sleep(0.2)
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
print(" ".join(re.findall(r"HTTP/1\.1 \d+|answer to \w+", answer.decode())).replace("HTTP/1.1 ", ""))
PY
node_modules/.bin/bun serve.js > port.txt 2> read.txt &
server=$!
for _ in $(seq 100); do [ -s port.txt ] && break; sleep 0.1; done
ask() { python3 ask.py "$(cat port.txt)" "$1"; }
same "two requests, one after the other" "$(ask apart)" "200 answer to one 200 answer to two"
same "two requests at once" "$(ask "at once")" ""
same "a chunked body" "$(ask chunked)" "200 answer to three"
same "a chunked body with a trailer" "$(ask trailer)" "400"
same "what the handler read last" "$(tail -n 1 read.txt)" "read three"
echo "as recorded"
