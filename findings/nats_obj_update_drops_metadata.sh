#!/usr/bin/env bash
# @nats-io/obj 3.4.0 (npm) with nats-server 2.14.3 (Go module), `update(name, meta)` of an object with a description and
# metadata.
#
# The type of meta is Partial<ObjectStoreMeta>, and the text speaks of a name as a way to rename. Guess: what is not named
# stays. Seen: description and metadata are emptied whenever they are not in the call, so a rename loses both, and one loses
# the other. The headers and the data stay.
set -euo pipefail
work=$(mktemp -d)
trap '[ -z "${server:-}" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

GOBIN="$work" GOFLAGS=-modcacherw go install github.com/nats-io/nats-server/v2@v2.14.3
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/obj@3.4.0
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
import { Objm } from "@nats-io/obj";
import { connect, headers } from "@nats-io/transport-node";

const connection = await connect({ servers: `127.0.0.1:${process.argv[2]}` });
const store = await new Objm(connection).create("made");
const put = async (name) => {
  const marked = headers();
  marked.set("X-Made", "yes");
  const meta = { name, description: "a layer", metadata: { type: "tar" }, headers: marked };
  await store.putBlob(meta, new TextEncoder().encode("hello"));
  assert.deepEqual(await told(name), ["a layer", { type: "tar" }, "yes"]);
};
const told = async (name) => {
  const { description, metadata, headers } = await store.info(name);
  return [description, metadata, headers?.get("X-Made")];
};
await put("one");
await store.update("one", { name: "two" });
assert.deepEqual(await told("two"), ["", {}, "yes"]);
assert.equal(new TextDecoder().decode(await store.getBlob("two")), "hello");
await put("three");
await store.update("three", { description: "the first layer" });
assert.deepEqual(await told("three"), ["the first layer", {}, "yes"]);
await put("four");
await store.update("four", { metadata: { type: "tar", level: "1" } });
assert.deepEqual(await told("four"), ["", { type: "tar", level: "1" }, "yes"]);
await connection.close();
JS
node run.mjs "$port"
echo "as recorded"
