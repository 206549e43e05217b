#!/usr/bin/env bash
# @stricli/core 1.3.0 (npm), arguments of the form `--flag=value`.
#
# Guess: `--name=` gives the flag an empty value (as `--name ""` does), and an unknown flag is an error in any form.
# Seen: with nothing after `=`, or a line end in the value, the whole argument becomes a positional one, without an
# error: `--name=`, `--verbose=`, `--unknown=` and "--name=a<line end>b" alike. `--unknown` and `--unknown=x` are errors.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund @stricli/core@1.3.0
cat > run.mjs <<'JS'
import assert from "node:assert/strict";
import { buildApplication, buildCommand, run } from "@stricli/core";

let seen;
const command = buildCommand({
  docs: { brief: "made" },
  parameters: {
    flags: {
      name: { kind: "parsed", parse: String, brief: "made", optional: true },
      verbose: { kind: "boolean", brief: "made", optional: true },
    },
    positional: { kind: "array", parameter: { parse: String, brief: "made" } },
  },
  func(flags, ...positional) {
    seen = JSON.parse(JSON.stringify([flags, positional]));
  },
});
const app = buildApplication(command, { name: "made" });
const parse = async (...args) => {
  seen = "error";
  const output = { write: () => {} };
  await run(app, args, { process: { stdout: output, stderr: output } });
  return seen;
};

assert.deepEqual(await parse("--name=x"), [{ name: "x" }, []]);
assert.deepEqual(await parse("--name", ""), [{ name: "" }, []]);
for (const arg of ["--name=", "--verbose=", "--unknown=", "--name=a\nb"]) {
  assert.deepEqual(await parse(arg), [{}, [arg]]);
}
assert.equal(await parse("--unknown"), "error");
assert.equal(await parse("--unknown=x"), "error");
JS
node run.mjs
echo "as recorded"
