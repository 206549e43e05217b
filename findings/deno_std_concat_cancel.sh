#!/usr/bin/env bash
# deno-std 1.4.0 (npm; Deno's standard library), `concatReadableStreams`: cancelling what it returns.
#
# Guess: the stream that is being read is cancelled too, so its file or connection is freed. Seen: it is while no read
# waits. While one does (a slow pipe or connection, the usual moment to give up), `cancel` resolves at once and the
# source is never told.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund deno-std@1.4.0
cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { concatReadableStreams } from "deno-std/streams/concat_readable_streams.js";

async function isSourceCancelled(whileReading) {
  let cancelled = false;
  const source = new ReadableStream({
    pull: (controller) => whileReading ? new Promise(() => {}) : controller.enqueue("chunk"),
    cancel() {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  const reader = concatReadableStreams(source).getReader();
  const read = reader.read().catch(() => {});
  if (!whileReading) await read;
  await setTimeout(50);
  await reader.cancel();
  await setTimeout(50);
  return cancelled;
}
assert.equal(await isSourceCancelled(false), true);
assert.equal(await isSourceCancelled(true), false);
JS
node run.mjs
echo "as recorded"
