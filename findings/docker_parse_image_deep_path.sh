#!/usr/bin/env bash
# docker-parse-image 3.0.1 (npm), names with more than two parts after the registry.
#
# `localhost:5000/a/b:1` is read as everybody would. One folder more, as GitLab's and Google's registries have it, and
# `localhost:5000/a/b/c:1` has no registry at all: the repository is `localhost` and the tag `5000/a/b/c:1`; nothing is
# thrown. For `registry.example/a/b/c:1`, with no port, the answer is null.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund docker-parse-image@3.0.1
cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import parse from "docker-parse-image";

const parts = (name) => {
  const { registry, namespace, repository, tag } = parse(name);
  return [registry, namespace, repository, tag];
};
assert.deepEqual(parts("localhost:5000/a/b:1"), ["localhost:5000", "a", "b", "1"]);
assert.deepEqual(parts("localhost:5000/a/b/c:1"), [null, null, "localhost", "5000/a/b/c:1"]);
assert.equal(parse("registry.example/a/b:1").registry, "registry.example");
assert.equal(parse("registry.example/a/b/c:1"), null);
JS
node run.mjs
echo "as recorded"
