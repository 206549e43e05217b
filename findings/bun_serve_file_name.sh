#!/usr/bin/env bash
# bun 1.4.5 (npm), `Bun.serve`: an answer whose body is `Bun.file(path).slice(start, end)`, as a registry sends a blob out
# of an archive.
#
# Guess: the bytes and no more. Seen: the file's name goes along as `content-disposition: filename="..."`, unless the answer
# has that header.
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
  fetch(request) {
    const headers = request.url.endsWith("/own") ? { "Content-Disposition": "attachment" } : {};
    return new Response(Bun.file("images.tar").slice(512, 1536), { headers });
  },
});
console.log(server.port);
JS
truncate -s 4096 images.tar
node_modules/.bin/bun serve.js > port.txt &
server=$!
for _ in $(seq 100); do [ -s port.txt ] && break; sleep 0.1; done
disposition() {
  curl -s -o out.bin -D - "http://127.0.0.1:$(cat port.txt)/$1" | tr -d '\r' |
    grep -i '^content-disposition' | cut -d ' ' -f 2-
}
same name "$(disposition "")" 'filename="images.tar"'
same size "$(stat -c %s out.bin)" 1024
same "own header" "$(disposition own)" attachment
echo "as recorded"
