#!/usr/bin/env bash
# The one step of action.yml: pushes what its variables say, and tells the job what stands.
set -euo pipefail

# Adds an option for each line of a variable that is not empty.
arguments=(push --json)
each() {
  local line
  while IFS= read -r line; do
    line="${line%$'\r'}"
    [[ -z $line ]] || arguments+=(${1:+"$1"} "$line")
  done <<<"$2"
}
each --image "$IMAGE"
each --platform "$PLATFORM"
[[ $ALL_TAGS != true ]] || arguments+=(--all-tags)
[[ $PLAIN_HTTP != true ]] || arguments+=(--plain-http)
each "" "$FURTHER"
arguments+=("$ARCHIVE")
each "" "$TARGET"

deno() { if command -v deno >/dev/null; then command deno "$@"; else npx -y deno@2 "$@"; fi; }
tarpush() {
  if [[ -n $(type -P tarpush) ]]; then command tarpush "$@"; else
    deno run --quiet -A "${GITHUB_ACTION_PATH:?}/src/cli/main.ts" "$@"
  fi
}

result=$(mktemp)
trap 'rm -f "$result"' EXIT
code=0
tarpush "${arguments[@]}" >"$result" || code=$?

# shellcheck disable=SC2016
RESULT=$result CODE=$code deno eval --quiet '
const { RESULT = "", CODE, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY } = Deno.env.toObject();
const text = Deno.readTextFileSync(RESULT).trim();
const { images = [], error } = text ? JSON.parse(text) : {};
const append = (path, lines) => {
  if (path) Deno.writeTextFileSync(path, lines.join("\n") + "\n", { append: true });
};
const mark = crypto.randomUUID();
const output = (name, value) => [`${name}<<${mark}`, value, mark];
append(GITHUB_OUTPUT, [
  ...output("digest", images[0]?.digest ?? ""),
  ...output("digests", images.map(({ reference, digest }) => `${reference}@${digest}`).join("\n")),
  ...output("json", text ? JSON.stringify(JSON.parse(text)) : "{}"),
]);
const cell = (value) => String(value).replaceAll("|", "\\|").replaceAll("\n", " ");
const sent = (blobs) => blobs.filter(({ status }) => status === "pushed");
append(GITHUB_STEP_SUMMARY, [
  CODE === "0" ? "### Pushed" : "### The push failed",
  "",
  ...(error ? [cell(error.message), ""] : []),
  "| Reference | Digest | Blobs | Sent |",
  "| --- | --- | ---: | ---: |",
  ...images.map(({ reference, digest, blobs }) =>
    `| ${cell(reference)} | \`${digest}\` | ${blobs.length} | ${sent(blobs).length} |`
  ),
]);
'
exit "$code"
