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
[[ -z $COMPRESS ]] || arguments+=(--compress "$COMPRESS")
[[ $ALL_TAGS != true ]] || arguments+=(--all-tags)
[[ $PLAIN_HTTP != true ]] || arguments+=(--plain-http)
each "" "$FURTHER"
arguments+=(-- "$ARCHIVE")
each "" "$TARGET"

# A runner of GitHub has Node.js, and no Deno.
deno() { if [[ -n $(type -P deno) ]]; then command deno "$@"; else npx -y deno@2 "$@"; fi; }
tarpush() {
  if [[ -n $(type -P tarpush) ]]; then command tarpush "$@"; else
    deno run --quiet -A "${GITHUB_ACTION_PATH:?}/src/cli/main.ts" "$@"
  fi
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
code=0
tarpush "${arguments[@]}" 2>&1 >"$folder/result" | tee "$folder/log" >&2 || code=$?

# shellcheck disable=SC2016
FOLDER=$folder CODE=$code deno eval --quiet '
const { FOLDER, CODE, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY } = Deno.env.toObject();
const text = Deno.readTextFileSync(`${FOLDER}/result`).trim();
const { images = [] } = text ? JSON.parse(text) : {};
const log = Deno.readTextFileSync(`${FOLDER}/log`).replaceAll(/\x1b\[[\d;]*m/g, "").split("\n");
const told = log.filter((line) => /^(tarpush|hint): /.test(line));
// Where it did not come so far as to say something, the runtime did.
const reasons = told.length > 0 ? told : log.slice(-20);
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
const table = (images) => [
  "| Reference | Digest | Blobs | Sent |",
  "| --- | --- | ---: | ---: |",
  ...images.map(({ reference, digest, blobs }) =>
    `| ${cell(reference)} | \`${digest}\` | ${blobs.length} | ${sent(blobs).length} |`
  ),
];
append(GITHUB_STEP_SUMMARY, [
  CODE === "0" ? "### Pushed" : "### The push failed",
  "",
  ...(CODE === "0" ? [] : ["```text", ...reasons, "```", ""]),
  ...(images.length > 0 ? table(images) : []),
]);
'
exit "$code"
