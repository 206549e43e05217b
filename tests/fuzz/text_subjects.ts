import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isDigest, parseDigest, toDigest } from "../../src/digest.ts";
import {
  formatImageName,
  formatReference,
  parseImageName,
  parseReference,
  parseTarget,
  type Reference,
  registryOrigin,
} from "../../src/reference.ts";
import { parseRange as parseUploadRange } from "../../src/registry/upload/upload_session.ts";
import { readJsonList } from "../../src/registry/json_list.ts";
import { parseNextLink } from "../../src/registry/pages.ts";
import { readRateLimit } from "../../src/registry/http/rate_limit.ts";
import { parseRetryAfter } from "../../src/registry/http/retry.ts";
import { parseRanges } from "../../src/server/byte_ranges.ts";
import { Problem } from "../../src/server/problem.ts";
import { parseRoute } from "../../src/server/routes.ts";
import { parseContentRange } from "../../src/server/upload_body.ts";
import { chunkSizes, jsonMutation, mutateJson, streamOf } from "./mutations.ts";
import { subject, type Tally } from "./subject.ts";

/** One change of a text. */
type TextMutation = { at: number; remove: number; insert: string };

const textMutation: fc.Arbitrary<TextMutation> = fc.record({
  at: fc.noShrink(fc.nat()),
  remove: fc.nat(3),
  insert: fc.oneof(
    fc.constantFrom(
      ...'/:@.-_,;="<>[]%?# \t\r\n\0\u00e9\u202e'.split(""),
      "://",
      "..",
      "//",
      "\u{1F600}",
    ),
    fc.string({ maxLength: 3 }),
    fc.constantFrom("A", "0", "99999999999999999999", "-1", "sha256:", "x".repeat(300)),
  ),
});

function mutateText(text: string, mutations: readonly TextMutation[]): string {
  return mutations.reduce((changed, { at, remove, insert }) => {
    const place = at % (changed.length + 1);
    return changed.slice(0, place) + insert + changed.slice(place + remove);
  }, text);
}

const mutations = fc.array(textMutation, { maxLength: 3 });

function charsOf(letters: string, minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...letters), minLength, maxLength });
}

const hex = (length: number) => charsOf("0123456789abcdef", length, length);
const digest = fc.oneof(
  hex(64).map((digits) => `sha256:${digits}`),
  hex(128).map((digits) => `sha512:${digits}`),
);

const alphanumeric = charsOf("abcxyz0189", 1, 6);
const component = fc.array(alphanumeric, { minLength: 1, maxLength: 3 }).chain((parts) =>
  fc.array(fc.constantFrom(".", "_", "__", "-", "---"), {
    minLength: parts.length - 1,
    maxLength: parts.length - 1,
  }).map((separators) => parts.map((part, at) => part + (separators[at] ?? "")).join(""))
);
const repository = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) =>
  parts.join("/")
);
const tag = fc.tuple(charsOf("abcXYZ019_", 1, 1), charsOf("abcXYZ019_.-", 0, 127))
  .map(([first, rest]) => first + rest);
const host = fc.oneof(
  fc.constantFrom("localhost", "127.0.0.1", "[::1]", "registry.example.com", "A-b.C"),
  fc.array(alphanumeric.map((part) => `r${part}`), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join(".")),
);
const registry = fc.tuple(host, fc.option(fc.integer({ min: 1, max: 65535 }))).map((
  [host, port],
) => port === null ? host : `${host}:${port}`);

/** The grammar once more, as one pattern: HOST[:PORT]/REPOSITORY[:TAG][@DIGEST] of distribution-spec. */
const REFERENCE = new RegExp(
  "^(?:https?://)?" +
    "(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?|\\[[0-9a-fA-F:.]+\\])(?::[0-9]{1,5})?" +
    "(?:/[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)+" +
    "(?::[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})?" +
    "(?:@(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}))?$",
  "i",
);

const references = subject(
  "reference",
  1000,
  fc.record({
    scheme: fc.constantFrom("", "http://", "https://", "HTTPS://"),
    registry,
    repository,
    tag: fc.option(tag),
    digest: fc.option(digest),
    mutations,
  }),
  ({ scheme, registry, repository, tag, digest, mutations }, tally) => {
    const written = `${scheme}${registry}/${repository}` + (tag === null ? "" : `:${tag}`) +
      (digest === null ? "" : `@${digest}`);
    const text = mutateText(written, mutations);
    const parsed = tryParse(() => parseReference(text));
    tryParse(() => parseTarget(text));
    if (text === written) {
      assertEquals(
        parsed,
        {
          ...(scheme === "" ? {} : { scheme: scheme.slice(0, -3).toLowerCase() }),
          registry,
          repository,
          ...(tag === null ? {} : { tag }),
          ...(digest === null ? {} : { digest }),
        } as Reference,
      );
    }
    if (!parsed) return tally("refused");
    assert(REFERENCE.test(text), `accepts ${JSON.stringify(text)}`);
    const again = parseReference(formatReference(parsed));
    const { scheme: _, ...rest } = parsed;
    if (parsed.tag !== undefined) delete rest.digest;
    assertEquals(again, rest);
    const url = new URL(`/v2/${parsed.repository}/manifests/x`, registryOrigin(parsed));
    assertEquals(url.pathname, `/v2/${parsed.repository}/manifests/x`);
    assertEquals(url.username + url.password + url.search + url.hash, "");
    tally("parsed");
  },
);

const imageNames = subject(
  "image-name",
  1000,
  fc.record({ registry: fc.option(registry), repository, tag: fc.option(tag), mutations }),
  ({ registry, repository, tag, mutations }, tally) => {
    const text = mutateText(
      (registry === null ? "" : `${registry}/`) + repository + (tag === null ? "" : `:${tag}`),
      mutations,
    );
    const name = parseImageName(text);
    if (!name) return tally("refused");
    const short = formatImageName(name);
    assertEquals(parseImageName(short), name, short);
    // What is a name here can be pushed, unless registry and name come to more than 255 characters together.
    if (name.repository.length <= 240) {
      assertEquals(parseReference(`localhost:5000/${name.repository}:${name.tag}`).tag, name.tag);
    }
    tally("parsed");
  },
);

/** Runs a parser that may throw SyntaxError and nothing else. */
function tryParse<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    assert(error instanceof SyntaxError, `${error}`);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x1f]/.test(error.message), JSON.stringify(error.message));
    assert(error.message.length < 1000, `${error.message.length} characters`);
    return undefined;
  }
}

const digests = subject(
  "digest",
  500,
  fc.tuple(digest, mutations),
  ([written, mutations], tally) => {
    const text = mutateText(written, mutations);
    const isRight = /^sha256:[0-9a-f]{64}$/.test(text) || /^sha512:[0-9a-f]{128}$/.test(text);
    // A pattern's $ matches before a line end at the end in some languages.
    assertEquals(isDigest(text), isRight && !text.endsWith("\n"));
    assertEquals(tryParse(() => parseDigest(text)), isDigest(text) ? text : undefined);
    const [algorithm = "", digits = ""] = text.split(/:(.*)/s);
    assertEquals(toDigest(algorithm, digits), isDigest(text) ? text : undefined);
    tally(isRight ? "parsed" : "refused");
  },
);

const number = fc.oneof(
  fc.nat(100).map(String),
  fc.constantFrom("", "0", "00", "-1", "+1", "1e3", "0x1", " 1", "9".repeat(15), "9".repeat(16)),
);

const ranges = subject(
  "range",
  1000,
  fc.record({ first: number, last: number, size: fc.nat(100), mutations }),
  ({ first, last, size, mutations }, tally) => {
    const upload = mutateText(`${first}-${last}`, mutations);
    examineUploadRange(upload, tally);
    examineRequestRange(mutateText(`bytes=${first}-${last}`, mutations), size, tally);
    examineContentRange(upload, tally);
  },
);

function examineUploadRange(text: string, tally: Tally): void {
  const arrived = parseUploadRange(text);
  if (arrived === undefined) return tally("Range of an upload ignored");
  assert(/^\s*(?:bytes[= ])?0-[0-9]+\s*$/.test(text), `reads ${JSON.stringify(text)}`);
  assert(Number.isSafeInteger(arrived) && arrived > 1, `${arrived}`);
  assert(text.includes(`-${arrived - 1}`) || /-0+[1-9]/.test(text), `${arrived} in ${text}`);
  tally("Range of an upload read");
}

function examineRequestRange(text: string, size: number, tally: Tally): void {
  const ranges = parseRanges(text, size);
  if (!ranges) return tally("Range ignored");
  for (const { start, end } of ranges) {
    assert(0 <= start && start < end && end <= size, `${start} to ${end} of ${size}`);
  }
  tally(`Range of ${Math.min(ranges.length, 2)} parts`);
}

function examineContentRange(text: string, tally: Tally): void {
  try {
    const { start, end } = parseContentRange(text);
    assert(Number.isSafeInteger(start) && Number.isSafeInteger(end), text);
    assert(0 <= start && start <= end && /^\s*[0-9]+-[0-9]+\s*$/.test(text), text);
    tally("Content-Range read");
  } catch (error) {
    assert(error instanceof Problem && error.status === 400, `${error}`);
    tally("Content-Range refused");
  }
}

const retryAfter = subject(
  "retry-after",
  500,
  fc.record({
    value: fc.oneof(
      fc.nat().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
      fc.constantFrom("", "1.5", "-5", "soon", "1e9", "9".repeat(400), "Mon", "Monday", "Sun 0"),
      fc.string(),
    ),
    mutations,
    now: fc.nat().map((seconds) => seconds * 1000),
  }),
  ({ value, mutations, now }, tally) => {
    const text = mutateText(value, mutations);
    const wait = parseRetryAfter(text, now);
    if (wait === undefined) return tally("ignored");
    assert(wait >= 0 && !Number.isNaN(wait), `${wait} for ${JSON.stringify(text)}`);
    if (/^\d+$/.test(text.trim())) assertEquals(wait, Number(text.trim()) * 1000);
    else if (text === new Date(Date.parse(text)).toUTCString()) {
      assertEquals(wait, Math.max(0, Date.parse(text) - now));
    }
    tally("read");
  },
);

const rateLimit = subject(
  "rate limit",
  500,
  fc.record({
    name: fc.constantFrom(
      "ratelimit",
      "ratelimit-remaining",
      "ratelimit-reset",
      "x-ratelimit-reset",
    ),
    value: fc.oneof(
      fc.nat().map(String),
      fc.constantFrom(
        "0;w=21600",
        "limit=10, remaining=0, reset=5",
        '"a";r=0;t=5',
        "9".repeat(400),
      ),
      fc.string(),
    ),
    mutations,
    now: fc.nat().map((seconds) => seconds * 1000),
  }),
  ({ name, value, mutations, now }, tally) => {
    // What no header can hold does not come.
    const text = mutateText(value, mutations).replace(/[^\x20-\x7e]/g, "");
    const { remaining, reset } = readRateLimit(new Headers({ [name]: text }), now);
    for (const read of [remaining, reset]) {
      assert(
        read === undefined || (Number.isSafeInteger(read) && read >= 0),
        `${read} for ${text}`,
      );
    }
    tally(remaining === undefined && reset === undefined ? "ignored" : "read");
  },
);

const link = subject(
  "link",
  500,
  fc.record({
    target: charsOf("abc/?=&%0:,;. ", 0, 20),
    relation: fc.constantFrom("next", '"next"', '"prev next"', "NEXT", '"prev"', "nextish", ""),
    before: fc.array(fc.constantFrom("</other>; rel=prev", '<x>; title="a, b"', "<>", ","), {
      maxLength: 2,
    }),
    mutations,
  }),
  ({ target, relation, before, mutations }, tally) => {
    const written = [...before, `<${target}>; rel=${relation}`].join(", ");
    const text = mutateText(written, mutations);
    const found = parseNextLink(text);
    if (text === written) {
      const isNext = /^"?(?:prev )?next"?$/i.test(relation);
      assertEquals(found, isNext ? target : undefined, text);
    }
    assert(found === undefined || text.includes(`<${found}>`), `finds ${found} in ${text}`);
    tally(found === undefined ? "none" : "found");
  },
);

const jsonList = subject(
  "json-list",
  200,
  fc.record({
    names: fc.array(fc.oneof(fc.string(), fc.constantFrom('"', "\\", "tags", "\u00e9\u{1F600}"))),
    extra: fc.option(fc.jsonValue({ maxDepth: 3 })),
    isFirst: fc.boolean(),
    indent: fc.constantFrom(0, 1),
    changes: fc.array(jsonMutation, { maxLength: 1 }),
    mutations: fc.array(textMutation, { maxLength: 1 }),
    sizes: chunkSizes,
    sizesAgain: fc.constantFrom([1], [2, 3]),
  }),
  async ({ names, extra, isFirst, indent, changes, mutations, sizes, sizesAgain }, tally) => {
    const rest = extra === null ? {} : { name: extra };
    const whole = isFirst ? { tags: names, ...rest } : { ...rest, tags: names };
    const text = mutateText(
      JSON.stringify(mutateJson(whole, changes) ?? null, null, indent),
      mutations,
    );
    const bytes = new TextEncoder().encode(text);
    const outcomes: (string[] | undefined)[] = [];
    for (const pieces of [sizes, sizesAgain]) {
      const found: string[] = [];
      try {
        for await (const some of readJsonList(streamOf(bytes, pieces), "tags")) found.push(...some);
        outcomes.push(found);
      } catch (error) {
        assert(error instanceof SyntaxError, `${error}`);
        outcomes.push(undefined);
      }
    }
    const [outcome, again] = outcomes;
    assertEquals(again, outcome);
    if (changes.length + mutations.length === 0) {
      assertEquals(outcome, JSON.parse(text).tags);
    }
    assertNotOtherwise(new TextDecoder().decode(bytes), outcome);
    tally(outcome ? "read" : "refused");
  },
);

/** What is JSON and has a list of texts there is read as that list, or refused for a repeated member. */
function assertNotOtherwise(text: string, found: string[] | undefined): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return; // Only the nesting and the list are checked.
  }
  const tags = (value as { tags?: unknown } | null)?.tags;
  const isList = Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
  if (!isList || text.split('"tags"').length > 2 || text.includes("\\u")) return;
  assertEquals(found, tags);
}

const routes = subject(
  "route",
  500,
  fc.record({
    repository,
    end: fc.oneof(
      tag.map((tag) => `manifests/${tag}`),
      digest.map((digest) => `blobs/${digest}`),
      digest.map((digest) => `referrers/${digest}`),
      fc.constantFrom("tags/list", "blobs/uploads/", "blobs/uploads/1234", "manifests/", ""),
    ),
    mutations,
  }),
  ({ repository, end, mutations }, tally) => {
    const path = mutateText(`/v2/${repository}/${end}`, mutations);
    try {
      const route = parseRoute(path);
      tally(route.kind);
    } catch (error) {
      assert(error instanceof Problem, `${error}`);
      assert(error.status === 404 || error.status === 400, `${error.status}`);
      tally("refused");
    }
  },
);

/** What reads references, digests, headers, lists and paths. */
export const textSubjects = [
  references,
  imageNames,
  digests,
  ranges,
  retryAfter,
  rateLimit,
  link,
  jsonList,
  routes,
];
