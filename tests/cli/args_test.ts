import { assertEquals, assertObjectMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { EVERYWHERE, parseCommand, VERBS } from "../../src/cli/args.ts";
import { UsageError } from "../../src/cli/options.ts";
import { test } from "../helpers/test.ts";

const COMMANDS: [args: string, expected: object][] = [
  ["--help", { verb: "help", topic: undefined }],
  ["-h", { verb: "help", topic: undefined }],
  ["help", { verb: "help", topic: undefined }],
  ["help push", { verb: "help", topic: "push" }],
  ["--help serve", { verb: "help", topic: "serve" }],
  ["push --help", { verb: "help", topic: "push" }],
  ["inspect a.tar -h", { verb: "help", topic: "inspect" }],
  ["--version", { verb: "version" }],
  ["push --version", { verb: "version" }],
  ["push a.tar", { verb: "push", source: "a.tar", targets: [] }],
  ["push - host/a host/b", { source: "-", targets: ["host/a", "host/b"] }],
  ["push --quiet a.tar host/a", { source: "a.tar", targets: ["host/a"], quiet: true }],
  ["push a.tar host/a -q --json", { quiet: true, json: true, debug: false }],
  ["push a.tar host/a --image x --image=y", { images: ["x", "y"] }],
  ["push --platform linux/amd64 a.tar host/a", { platforms: ["linux/amd64"], source: "a.tar" }],
  ["push a.tar h --rename a/=b/ --mount-from x/y", { rename: ["a/=b/"], mountFrom: ["x/y"] }],
  ["push a.tar h --all-tags --verify --dry-run", { allTags: true, verify: true, dryRun: true }],
  ["push a.tar h --concurrency 8 --retries=0", { concurrency: 8, retries: 0 }],
  ["push a.tar h --retries 1 --retries 2", { retries: 2 }],
  ["push a.tar h --chunk-size 8MiB", { chunkSize: 8 * 1024 * 1024 }],
  ["push a.tar h --chunk-size 16M", { chunkSize: 16 * 1024 * 1024 }],
  ["push a.tar h --chunk-size 1.5m", { chunkSize: 1.5 * 1024 * 1024 }],
  ["push a.tar h --chunk-size 5MB", { chunkSize: 5_000_000 }],
  ["push a.tar h --chunk-size 512", { chunkSize: 512 }],
  ["push a.tar h --manifest-type oci", { manifestType: "oci", onExisting: undefined }],
  ["push a.tar h --on-existing=skip", { manifestType: undefined, onExisting: "skip" }],
  ["copy a/x b/y --on-existing error", { onExisting: "error" }],
  ["push a.tar h --digestfile d.txt --ca ca.pem", { digestfile: "d.txt", ca: "ca.pem" }],
  ["push a.tar h --timeout 2.5 --plain-http", { timeoutSeconds: 2.5, plainHttp: true }],
  ["ls h --max-requests-per-second 0.5", { maxRequestsPerSecond: 0.5, maxRate: undefined }],
  ["--max-rate 10MB save h/a a.tar", { maxRequestsPerSecond: undefined, maxRate: 10_000_000 }],
  ["push a.tar h --insecure --debug", { insecure: true, debug: true }],
  ["push -- -odd.tar --host", { source: "-odd.tar", targets: ["--host"] }],
  ["inspect -", { verb: "inspect", source: "-" }],
  ["check a.tar", { verb: "check", source: "a.tar" }],
  ["check http://files/a.tar -q", { verb: "check", source: "http://files/a.tar", quiet: true }],
  ["inspect a.tar --json", { verb: "inspect", source: "a.tar", json: true }],
  ["ping localhost:5000", { verb: "ping", registry: "localhost:5000" }],
  ["ls host/app --json", { verb: "ls", target: "host/app", json: true }],
  ["info host/app:1 --plain-http", { verb: "info", reference: "host/app:1", plainHttp: true }],
  ["rm host/app:1", { verb: "rm", reference: "host/app:1", yes: false }],
  ["rm --yes host/app:1", { verb: "rm", reference: "host/app:1", yes: true }],
  ["copy a/x b/y", { verb: "copy", source: "a/x", targets: ["b/y"], referrers: false }],
  ["copy a/x b/y b/z --referrers --dry-run", { targets: ["b/y", "b/z"], referrers: true }],
  ["copy --platform linux/arm64 a/x b/y", { platforms: ["linux/arm64"], dryRun: false }],
  ["copy a/x b/y --concurrency 2 --retries 0", { concurrency: 2, retries: 0 }],
  ["copy --help", { verb: "help", topic: "copy" }],
  ["completions fish", { verb: "completions", shell: "fish" }],
  ["rm --help", { verb: "help", topic: "rm" }],
  ["serve", { hostname: "127.0.0.1", port: 5000, readOnly: false, allowDelete: false, cors: [] }],
  ["serve --host ::1 --port 0 --read-only", { hostname: "::1", port: 0, readOnly: true }],
  ["serve --dir images --scrub", { dir: "images", scrub: true, keepUntagged: false }],
  ["serve --cert c --key k --max-blob 1GiB", { cert: "c", key: "k", maxBlobBytes: 2 ** 30 }],
  ["serve a.tar x=b.tar", { archives: ["a.tar", "x=b.tar"] }],
  ["serve --allow-delete --cors *", { allowDelete: true, cors: ["*"] }],
  ["save a/x x.tar --platform p -q", { references: ["a/x"], tar: "x.tar", format: undefined }],
  ["save a/x b/y - --all-tags --tag v1.*", {
    references: ["a/x", "b/y"],
    tar: "-",
    tags: ["v1.*"],
  }],
  ["save --from list x.tar", { references: [], from: "list", tar: "x.tar" }],
  ["save a/x - --format=oci", { tar: "-", format: "oci", platforms: [] }],
];

// docker and kubectl have taught people to write these first.
const OPTIONS_BEFORE: [args: string, expected: object][] = [
  ["-q push a.tar h", { verb: "push", source: "a.tar", targets: ["h"], quiet: true }],
  ["--json inspect a.tar", { verb: "inspect", source: "a.tar", json: true }],
  ["--ca ca.pem push - h", { verb: "push", source: "-", ca: "ca.pem" }],
  ["--ca=push push a.tar h", { verb: "push", source: "a.tar", ca: "push" }],
  ["--timeout 5 push a.tar h", { verb: "push", timeoutSeconds: 5 }],
  ["--timeout 5 push a.tar h --timeout 6", { timeoutSeconds: 6 }],
  ["--plain-http --insecure ls h -q", { plainHttp: true, insecure: true, quiet: true }],
  ["--debug serve --port 0 --json", { verb: "serve", port: 0, debug: true, json: true }],
  ["-q completions fish", { verb: "completions", shell: "fish" }],
  ["-q --help", { verb: "help", topic: undefined }],
  ["-q help push", { verb: "help", topic: "push" }],
  ["help -q push", { verb: "help", topic: "push" }],
  ["--json -h save", { verb: "help", topic: "save" }],
  ["-q --version", { verb: "version" }],
  ["--json push --version", { verb: "version" }],
  ["-q -- push -odd.tar --host", { source: "-odd.tar", targets: ["--host"], quiet: true }],
];

const MISTAKES: [args: string, message: string, hint?: string][] = [
  [
    "",
    "No command given, expected one of push, inspect, check, ping, ls, info, rm, save, copy, serve, completions",
    "tarpush --help",
  ],
  ["copy", "Nothing to copy, expected a reference", "tarpush copy --help"],
  ["copy a/x", "Nowhere to copy to, expected a reference", "tarpush copy --help"],
  ["copy a/x b/y --image z", 'Unknown option "--image"', "it belongs to tarpush push"],
  ["pusch a.tar", 'Unknown command "pusch"', "did you mean push?"],
  ["check h/a:1 --repair -", "Cannot repair from a pipe, expected a file"],
  ["check", "Nothing to check, expected a tar file, a folder, - or a URL, or a reference such as"],
  ["chekc a.tar", 'Unknown command "chekc"', "did you mean check?"],
  ["psuh a.tar h", 'Unknown command "psuh"', "did you mean push?"],
  ["frobnicate", 'Unknown command "frobnicate"', "tarpush --help"],
  ["image.tar host/a", 'Unknown command "image.tar"', "tarpush push image.tar REFERENCE"],
  ["help me", 'Unknown command "me"'],
  ["--json", 'No command after "--json"', "tarpush --help"],
  ["-q --timeout 5", 'No command after "-q --timeout 5"', "tarpush --help"],
  ["--timeout", "Option --timeout needs a value"],
  ["--timeout -q push a.tar", 'Option --timeout needs a value, not "-q"'],
  ["--timeout soon push a.tar", 'Option --timeout is "soon"'],
  ["--json=yes push a.tar", "Option --json takes no value"],
  ["--quite push a.tar", 'Unknown option "--quite"', "did you mean --quiet?"],
  ["-x push a.tar", 'Unknown option "-x"', "tarpush --help"],
  ["--constructor push a.tar", 'Unknown option "--constructor"', "tarpush --help"],
  ["--yes rm h/a:1", 'Unknown option "--yes"', "it goes after the command: tarpush rm --yes"],
  ["-q pusch a.tar", 'Unknown command "pusch"', "did you mean push?"],
  ["-q pusch --json a.tar", 'Unknown command "pusch"', "did you mean push?"],
  ["--ca ca.pem image.tar h", 'Unknown command "image.tar"', "tarpush push image.tar REFERENCE"],
  ["-q push", "Nothing to push", "tarpush push --help"],
  ["help push --image x", 'Unknown option "--image"'],
  ["--nope", 'Unknown option "--nope"', "tarpush --help"],
  ["push", "Nothing to push, expected a tar file, a folder, - or a URL", "tarpush push --help"],
  ["inspect", "Nothing to inspect"],
  ["inspect a.tar b.tar", 'Unexpected argument "b.tar"'],
  ["ping", "Nothing to ping, expected a registry", "tarpush ping --help"],
  ["ls", "Nothing to list, expected a registry or repository", "tarpush ls --help"],
  ["ls a b", 'Unexpected argument "b"'],
  ["info", "Nothing to show, expected a reference", "tarpush info --help"],
  ["rm", "Nothing to remove, expected a reference", "tarpush rm --help"],
  ["info a --yes", 'Unknown option "--yes"', "it belongs to tarpush rm"],
  ["completions", "Nothing to complete, expected bash, zsh or fish", "tarpush completions --help"],
  ["completions csh", 'Unknown shell "csh", expected one of bash, zsh, fish'],
  ["serve --scrub", "Option --scrub needs --dir"],
  ["serve --keep-untagged", "Option --keep-untagged needs --dir"],
  ["serve --host=", 'Option --host is "", expected an address such as 127.0.0.1'],
  ["serve --cors app.example", 'Option --cors is "app.example", expected an origin such as https:'],
  ["serve --cors * --cors http://a:80/", 'Option --cors is "http://a:80/"', "--cors http://a"],
  ["serve --cors https://App.example", "expected an origin", "--cors https://app.example"],
  ["serve --cert c", "Option --cert needs --key"],
  ["serve --key k", "Option --key needs --cert"],
  ["serve --dir d a.tar", "Archives are served as they are, and --dir keeps what is pushed"],
  ["serve --allow-delete a.tar", "Nothing can be deleted from archives"],
  ["completions bash now", 'Unexpected argument "now"'],
  ["push -a.tar h", 'Unknown option "-a.tar"', "is written ./-a.tar"],
  ["push --a.tar.gz h", 'Unknown option "--a.tar.gz"', "is written ./--a.tar.gz"],
  ["push a.tar h --platfrom x", 'Unknown option "--platfrom"', "did you mean --platform?"],
  ["push a.tar h --port 1", 'Unknown option "--port"', "it belongs to tarpush serve"],
  ["push a.tar h -x", 'Unknown option "-x"', "tarpush push --help"],
  ["push a.tar h --constructor", 'Unknown option "--constructor"'],
  ["push a.tar h --image", "Option --image needs a value"],
  ["push a.tar h --image --json", 'Option --image needs a value, not "--json"', "--image=--json"],
  ["push a.tar h --json=yes", "Option --json takes no value"],
  ["push a.tar h --concurrency 0", 'Option --concurrency is "0", expected a whole number from 1'],
  ["push a.tar h --concurrency 1.5", 'Option --concurrency is "1.5"'],
  ["push a.tar h --concurrency=", 'Option --concurrency is ""'],
  ["push a.tar h --retries=-1", 'Option --retries is "-1"'],
  ["push a.tar h --retries 1e3", 'Option --retries is "1e3"'],
  ["push a.tar h --timeout 0", 'Option --timeout is "0", expected a number of seconds above 0'],
  [
    "ping h --max-requests-per-second 0",
    'Option --max-requests-per-second is "0", expected a number above 0, such as 0.5',
  ],
  ["ping h --max-rate fast", 'Option --max-rate is "fast", expected a size such as 8MiB'],
  ["push a.tar h --timeout soon", 'Option --timeout is "soon"'],
  ["push a.tar h --chunk-size 8X", 'Option --chunk-size is "8X", expected a size such as 8MiB'],
  [
    "push a.tar h --manifest-type zip",
    'Option --manifest-type is "zip", expected auto, docker or oci',
  ],
  [
    "push a.tar h --on-existing keep",
    'Option --on-existing is "keep", expected overwrite, skip or error',
  ],
  ["push a.tar h --chunk-size 0", 'Option --chunk-size is "0"'],
  ["push a.tar h --chunk-size 999999999999T", 'Option --chunk-size is "999999999999T"'],
  ["save a/x", "Nothing to write to", "tarpush save a/x image.tar"],
  ["save a.tar", "Nothing to write to", "tarpush save a.tar image.tar"],
  ["save a/x b --format tgz", 'Option --format is "tgz", expected docker or oci'],
  ["push a.tar h --x", 'Unknown option "--x"'],
  ["push a.tar h -1", 'Unknown option "-1"'],
  ["push a.tar h --=x", 'Unknown option "--=x"'],
  ["serve --port 65536", 'Option --port is "65536", expected a whole number from 0 to 65535'],
];

const split = (text: string) => text.split(" ").filter((word) => word !== "");

test("parseCommand() reads commands and options", () => {
  for (const [args, expected] of COMMANDS) {
    assertObjectMatch(parseCommand(split(args)), expected, args);
  }
});

test("parseCommand() takes the options of every command before it, too", () => {
  for (const [args, expected] of OPTIONS_BEFORE) {
    assertObjectMatch(parseCommand(split(args)), expected, args);
  }
});

test("parseCommand() takes each common option on either side of each command alike", () => {
  const words: Record<string, string> = { save: "h/a a.tar", copy: "h/a h/b", serve: "" };
  for (const { name, placeholder } of EVERYWHERE) {
    const option = [`--${name}`, ...(placeholder === undefined ? [] : ["5"])];
    for (const verb of VERBS) {
      const command = [verb, ...split(words[verb] ?? (verb === "completions" ? "bash" : "h/a"))];
      assertEquals(parseCommand([...option, ...command]), parseCommand([...command, ...option]));
    }
  }
});

test("parseCommand() refuses what makes no command, in one line", () => {
  for (const [args, message, hint = ""] of MISTAKES) {
    const error = assertThrows(() => parseCommand(split(args)), UsageError, message, args);
    assertStringIncludes(error.hint ?? "", hint);
    assertEquals(`${error.message}${error.hint}`.includes("\n"), false);
  }
});

test("parseCommand() cuts long arguments in its messages", () => {
  const error = assertThrows(() => parseCommand(["x".repeat(5000)]), UsageError);
  assertEquals(error.message.length < 200, true);
});
