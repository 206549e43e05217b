#!/usr/bin/env bash
# @nats-io/kv 3.4.0 (npm) with nats-server 2.14.3 (Go module), a key that was made for one second: `create(key, data,
# "1s")`.
#
# Guess: once it has expired it is gone from everything, like a key that was deleted. Seen: get() answers that it was
# purged, create() takes it again, and keys() still lists it. A key that delete() or purge() has taken is not listed.
set -euo pipefail
work=$(mktemp -d)
trap '[ -z "${server:-}" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

GOBIN="$work" GOFLAGS=-modcacherw go install github.com/nats-io/nats-server/v2@v2.14.3
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/kv@3.4.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > nats.conf <<CONF
listen: 127.0.0.1:$port
jetstream { store_dir: "$work/store" }
CONF
./nats-server -c nats.conf > server.log 2>&1 &
server=$!
for _ in $(seq 100); do grep -q 'Server is ready' server.log && break; sleep 0.1; done

cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";

const connection = await connect({ servers: `127.0.0.1:${process.argv[2]}` });
const bucket = await new Kvm(connection).create("made", { markerTTL: 600_000 });
const keys = async () => {
  const all = [];
  for await (const key of await bucket.keys()) all.push(key);
  return all.sort();
};
await bucket.put("stays", "here");
for (const key of ["deleted", "purged"]) await bucket.put(key, "here");
await bucket.delete("deleted");
await bucket.purge("purged");
await bucket.create("expired", "here", "1s");
assert.equal((await bucket.get("expired")).string(), "here");
for (let tries = 0; tries < 100 && (await bucket.get("expired")).operation === "PUT"; tries++) await setTimeout(100);

assert.equal((await bucket.get("expired")).operation, "PURGE");
assert.equal((await bucket.get("purged")).operation, "PURGE");
assert.deepEqual(await keys(), ["expired", "stays"]);
await bucket.create("expired", "again");
await connection.close();
JS
node run.mjs "$port"
echo "as recorded"
