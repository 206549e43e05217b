import { assertEquals } from "@std/assert";
import { importsOf, readSources, targetOf, withoutComments } from "./helpers/sources.ts";
import { test } from "./helpers/test.ts";

/** What a push of an archive that is all there loads on a runtime: these, and what they import at once. */
const ENTRIES = ["cli/main.ts", "cli/push_command.ts", "cli/plain_lines.ts"];

/**
 * Every file costs a push some tenths of a millisecond before it has begun. What only a failure, an upload, a platform or
 * an odd registry needs is loaded when it is needed; a file that has to be here has a reason.
 */
const LOADED = `
async_dispose build_record bytes concurrency config_json cosign_tags did_you_mean digest errors go_json incremental_hash json_depth media_types
network_fetch owned_bytes page parse_url quote_name reference
cli/args cli/command cli/command_words cli/connection cli/exit cli/input cli/main
cli/option_values cli/options cli/plain_lines cli/progress_state cli/push_command cli/render cli/reporter cli/run
codec/magic
image/archive image/content image/docker_manifest image/docker_save image/documents image/entry_names image/files
image/links image/oci_layout image/platform_text image/retype image/tar_end
push/choices push/image_push push/manifest_kind push/options push/place_manifest push/place_root
push/plan push/push push/rename push/repository_state push/upload_settings
push/random_access/look_ahead push/random_access/place_blob push/random_access/upload
registry/blobs registry/existence registry/manifests
registry/http/alarms registry/http/call registry/http/http registry/http/kept_answer registry/http/redirect
registry/http/request_options
registry/http/retry registry/http/send registry/http/time_limits
runtime/runtime_name
source/blob_source source/open_source
tar/entry_parser tar/extensions tar/header tar/scan
`;

test("a push loads no more than it needs", async () => {
  assertEquals(
    await loadedBy(ENTRIES),
    LOADED.trim().split(/\s+/).map((name) => `${name}.ts`).sort(),
  );
});

/** What tells how a request failed, and whatever that takes. */
const FAILURES = ["failure_document", "registry/ping"]
  .concat(
    ["error_answer", "explain_refusal", "failed_request", "scheme"].map((name) =>
      `registry/http/${name}`
    ),
  );

test("what reads a registry loads nothing that only a failure needs", async () => {
  for (const command of ["ls", "info", "save", "rm"]) {
    const loaded = await loadedBy(["cli/main.ts", `cli/${command}_command.ts`]);
    assertEquals(FAILURES.filter((name) => loaded.includes(`${name}.ts`)), [], command);
  }
});

/** The files that are loaded with some, those included. */
async function loadedBy(entries: readonly string[]): Promise<string[]> {
  const texts = new Map((await readSources()).map(({ path, text }) => [path, text]));
  const loaded = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (loaded.has(path)) continue;
    loaded.add(path);
    const from = path;
    waiting.push(
      ...importsOf(withoutComments(texts.get(path) ?? ""))
        .filter(({ specifier, isType, isLazy }) => specifier.startsWith(".") && !isType && !isLazy)
        .map(({ specifier }) => targetOf(from, specifier)),
    );
  }
  return [...loaded].sort();
}
