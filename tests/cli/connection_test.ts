import { assertEquals, assertRejects } from "@std/assert";
import { parseCommand } from "../../src/cli/args.ts";
import { connectionOptions, InsecureHosts, runTrusting } from "../../src/cli/connection.ts";
import { UsageError } from "../../src/cli/options.ts";
import type { FileInfo, Host } from "../../src/runtime/host.ts";
import { test } from "../helpers/test.ts";
import { fakeHost } from "./fake_host.ts";

const CASES: readonly [args: string, hosts: string[]][] = [
  ["push app.tar a.test/app:1 b.test:5000/app", ["a.test", "b.test"]],
  ["push a.tar b.tar --to a.test --to b.test/all", ["a.test", "b.test"]],
  ["copy a.test/app:1 b.test/app:1", ["a.test", "b.test"]],
  ["copy a.test/app b.test/app --all-tags", ["a.test", "b.test"]],
  ["check a.test/app:1", ["a.test"]],
  ["check ./app.tar --against a.test/app", ["a.test"]],
  ["check https://a.test/app.tar", ["a.test"]],
  ["inspect a.tar", []],
  ["ping a.test", ["a.test"]],
  ["ls a.test/app", ["a.test"]],
  ["info a.test/app:1", ["a.test"]],
  ["rm a.test/app:1", ["a.test"]],
  ["save a.test/app:1 b.test/app:1 a.tar --without c.test --without d.tar", [
    "a.test",
    "b.test",
    "c.test",
  ]],
];

/** The hosts whose certificates the connections of a command accept, whatever they are. */
async function trustedBy(args: string, listed: string[] = []): Promise<unknown> {
  let given: unknown;
  const fetchWith: Host["fetchWith"] = ({ insecureHosts }) => {
    given = insecureHosts;
    return fetch;
  };
  const command = parseCommand(args.split(" "));
  if (command.verb === "help" || command.verb === "version") throw new TypeError("unreachable");
  const hosts = new InsecureHosts(command);
  await connectionOptions(command, fakeHost([], { overrides: { fetchWith } }), hosts);
  // What comes later counts as well.
  hosts.add(listed);
  return given;
}

/** The hosts that a program is started again for, and what it is given; `list` is the text of a file, or of a pipe. */
async function restartedFor(
  args: string,
  list = "",
  kind: FileInfo["kind"] = "file",
): Promise<{ hosts: readonly string[]; input?: string | undefined } | undefined> {
  let restarted: { hosts: readonly string[]; input?: string | undefined } | undefined;
  const overrides: Partial<Host> = {
    readTextFile: () => Promise.resolve(list),
    fileInfo: () => Promise.resolve({ kind, size: list.length, modified: 0 }),
    restartTrusting: (hosts, input) => {
      restarted = { hosts: [...hosts], input };
      return Promise.resolve(7);
    },
  };
  const host = fakeHost([], { overrides, stdin: new TextEncoder().encode(list) });
  const code = await runTrusting(parseCommand(args.split(" ")), host);
  assertEquals(code, restarted && 7);
  return restarted;
}

const LISTS: readonly [args: string, list: string, hosts: string[]][] = [
  ["push --from list --to a.test", "b.tar\n# no\nc.tar c.test/app:1\n", ["a.test", "c.test"]],
  ["push --from list", '{"source":"b.tar","target":["a.test","b.test/x:1"]}', ["a.test", "b.test"]],
  ["copy --from list --to a.test", "b.test/x:1\nc.test/x:1 d.test/y:1", [
    ...["a.test", "b.test", "c.test", "d.test"],
  ]],
  ["save --from list app.tar", "a.test/x:1\nb.test/x:1", ["a.test", "b.test"]],
  ["copy --from list --to a.test", "one two three", ["a.test"]],
  ["copy --from - --to a.test", "b.test/x:1", ["a.test", "b.test"]],
  ["push --from -", "b.tar b.test\nc.tar", ["b.test"]],
  ["push --from -", "b.tar", []],
  ["push --from -", "b.tar b.test\none two three\nc.tar c.test", ["b.test"]],
];

for (const [args, list, hosts] of LISTS) {
  test(`${args} --insecure accepts the certificates of ${JSON.stringify(list)}`, async () => {
    // What was read of a pipe would be missing.
    const input = args.includes("--from -") ? list : undefined;
    assertEquals(await restartedFor(`${args} --insecure`, list), { hosts, input });
    assertEquals(await restartedFor(args, list), undefined);
  });
}

test("runTrusting() takes no list from a pipe with a name, of which nothing would be left", async () => {
  const args = "push --from list --to a.test --insecure";
  await assertRejects(() => restartedFor(args, "b.tar b.test", "other"), UsageError, "once only");
});

for (const [args, hosts] of CASES) {
  test(`${args} --insecure accepts the certificates of what it names alone`, async () => {
    assertEquals((await restartedFor(`${args} --insecure`))?.hosts ?? [], hosts);
    assertEquals(await trustedBy(`${args} --insecure`), hosts);
    assertEquals(await trustedBy(args), []);
  });
}

test("connectionOptions() takes in what a list names, also later", async () => {
  const trusted = await trustedBy("copy --from list --to a.test --insecure", ["b.test/app:1"]);
  assertEquals(trusted, ["a.test", "b.test"]);
});

test("connectionOptions() refuses what is no target before an archive is read", async () => {
  for (const args of ["push a.tar h:0/app:1", "check a.tar --against h:0", "push a.tar h/A:1"]) {
    await assertRejects(() => trustedBy(args), SyntaxError, "Cannot parse reference");
    await assertRejects(() => trustedBy(`${args} --insecure`), SyntaxError, "Cannot parse");
  }
});
