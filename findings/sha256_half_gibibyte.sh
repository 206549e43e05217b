#!/usr/bin/env bash
# @aws-crypto/sha256-js 5.2.0 and hash.js 1.1.7 (npm), the sha256 of more than half a gibibyte, given in parts of 1 MiB.
#
# Layers of images are often that large. Guess: the digest, or an error. Seen in both, without an error: from 512 MiB on
# (2^32 bits) another digest than Node's. The upper half of the length is hashed as zero by hash.js, and with its bytes
# turned round by the other. One byte less is right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund @aws-crypto/sha256-js@5.2.0 hash.js@1.1.7
cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Sha256 } from "@aws-crypto/sha256-js";
import hash from "hash.js";

const aws = () => {
  const sha256 = new Sha256();
  return { update: (data) => sha256.update(data), digest: () => Buffer.from(sha256.digestSync()).toString("hex") };
};
const hashJs = () => {
  const sha256 = hash.sha256();
  return { update: (data) => sha256.update(data), digest: () => sha256.digest("hex") };
};
const part = Buffer.alloc(1024 * 1024, "x");
const digest = (sha256, size) => {
  for (; size >= part.length; size -= part.length) sha256.update(part);
  sha256.update(part.subarray(0, size));
  return sha256.digest();
};
const half = 512 * 1024 * 1024;
for (const library of [aws, hashJs]) {
  assert.equal(digest(library(), half - 1), digest(createHash("sha256"), half - 1).toString("hex"));
  assert.notEqual(digest(library(), half), digest(createHash("sha256"), half).toString("hex"));
}
JS
node run.mjs
echo "as recorded"
