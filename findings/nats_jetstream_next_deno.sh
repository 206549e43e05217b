#!/usr/bin/env bash
# @nats-io/jetstream 3.4.0 over WebSocket (nats-server 2.14.3) on deno 2.9.6, and on bun 1.4.5 beside it: a work queue
# whose messages are taken one by one with Consumer.next() and acknowledged.
#
# Guess: a message takes the same on both, a millisecond or less on the loopback interface. Seen: on Deno 40 ms and more for
# each. next() ends its subscription with a message that nobody answers; what is sent behind that waits until the
# server's system has confirmed it, for Deno's WebSocket leaves Nagle's algorithm on. One subscription for all messages
# (Consumer.consume()) does not wait.
set -euo pipefail
work=$(mktemp -d)
trap '[ -z "${server:-}" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
export DENO_DIR="$work/cache" NO_COLOR=1

GOBIN="$work" GOFLAGS=-modcacherw go install github.com/nats-io/nats-server/v2@v2.14.3
npm install --silent --no-audit --no-fund deno@2.9.6 bun@1.4.5 @nats-io/nats-core@3.4.0 @nats-io/jetstream@3.4.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > nats.conf <<CONF
listen: 127.0.0.1:-1
jetstream { store_dir: "$work/store" }
websocket { listen: "127.0.0.1:$port", no_tls: true }
CONF
./nats-server -c nats.conf > server.log 2>&1 &
server=$!
for _ in $(seq 100); do grep -q 'Server is ready' server.log && break; sleep 0.1; done

cat > queue.mjs <<'CODE'
import { wsconnect } from "@nats-io/nats-core";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
const [port, name, way] = process.argv.slice(2);
const connection = await wsconnect({ servers: `ws://127.0.0.1:${port}` });
const manager = await jetstreamManager(connection);
await manager.streams.add({ name, subjects: [name], retention: "workqueue" });
await manager.consumers.add(name, { durable_name: "worker", ack_policy: "explicit" });
const client = jetstream(connection);
for (let at = 0; at < 20; at++) await client.publish(name, `${at}`);
const consumer = await client.consumers.get(name, "worker");
const times = [];
let last = performance.now();
const took = async (message) => {
  await message.ackAck();
  times.push(performance.now() - last);
  last = performance.now();
  return times.length === 20;
};
if (way === "next") while (!await took(await consumer.next()));
else for await (const message of await consumer.consume()) if (await took(message)) break;
console.log(Math.round(times.sort((a, b) => a - b)[10]));
await connection.close();
CODE

measure() { # runtime, way
  case $1 in deno) set -- "$@" node_modules/.bin/deno run -A ;; bun) set -- "$@" node_modules/.bin/bun ;; esac
  local name="$1-$2" way=$2
  "${@:3}" queue.mjs "$port" "$name" "$way"
}
next=$(measure deno next)
consume=$(measure deno consume)
bun=$(measure bun next)
echo "milliseconds a message: deno next $next, deno consume $consume, bun next $bun"
[ "$next" -ge 30 ] || { echo "CHANGED: next() on Deno takes $next ms, was above 40"; exit 1; }
[ "$consume" -lt 20 ] || { echo "CHANGED: consume() on Deno takes $consume ms, was 1"; exit 1; }
[ "$bun" -lt 20 ] || { echo "CHANGED: next() on Bun takes $bun ms, was 1"; exit 1; }
echo "as recorded"
