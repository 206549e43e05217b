#!/usr/bin/env bash
# bun 1.4.5 (npm), `Bun.serve`: an answer whose body is `Bun.file(path).slice(start, end)`.
#
# Guess: the bytes and no more. Seen: the file's name goes along as `content-disposition: filename="..."`, unless the answer
# has that header. And where the file becomes shorter meanwhile, the connection stays open without another byte: with
# `idleTimeout: 0` for ever, also after `server.timeout(request, 1)`; with any other `idleTimeout` it ends after that.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

npm install --prefix "$work" --silent --no-audit --no-fund bun@1.4.5
cat > serve.js <<'JS'
const [idle, perRequest] = process.argv.slice(2).map(Number);
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: idle,
  fetch(request, server) {
    if (perRequest) server.timeout(request, perRequest);
    const headers = request.url.endsWith("/own") ? { "Content-Disposition": "attachment" } : {};
    return new Response(Bun.file("secret-name.bin").slice(512, 512 + 200_000_000), { headers });
  },
});
console.log(server.port);
JS
start() {
  truncate -s 0 secret-name.bin
  truncate -s 300000000 secret-name.bin
  node_modules/.bin/bun serve.js "$@" > port.txt &
  server=$!
  for _ in $(seq 100); do [ -s port.txt ] && break; sleep 0.1; done
  port=$(cat port.txt)
}
stop() { kill "$server"; wait "$server" || true; server=; }
disposition() { curl -s -o out.bin -D - "http://127.0.0.1:$port/$1" | tr -d '\r' | grep -i '^content-disposition' | cut -d ' ' -f 2-; }
shorten() { # prints the exit code of a curl that is given 6 seconds: 28 where it still waits, 18 where the connection ended
  curl -s -m 6 --limit-rate 100M -o out.bin "http://127.0.0.1:$port/" &
  local client=$!
  sleep 1
  truncate -s 180000000 secret-name.bin
  local code=0
  wait "$client" || code=$?
  echo "$code"
}

start 0
same name "$(disposition "")" 'filename="secret-name.bin"'
same "own header" "$(disposition own)" attachment
same "no timeout" "$(shorten)" 28
stop
start 0 1
same "timeout of the request" "$(shorten)" 28
stop
start 1
same "timeout of the server" "$(shorten)" 18
stop
echo "as recorded"
