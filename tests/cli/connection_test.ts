import { assertEquals } from "@std/assert";
import { parseCommand } from "../../src/cli/args.ts";
import { connectionOptions, insecureHosts } from "../../src/cli/connection.ts";
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
async function trustedBy(args: string, listed?: string[]): Promise<unknown> {
  let given: unknown;
  const fetchWith: Host["fetchWith"] = ({ insecureHosts }) => {
    given = insecureHosts;
    return fetch;
  };
  const command = parseCommand(args.split(" "));
  if (command.verb === "help" || command.verb === "version") throw new TypeError("unreachable");
  await connectionOptions(command, fakeHost([], { overrides: { fetchWith } }), listed);
  return given;
}

/** The hosts that a program is started again for, where its runtime wants that; `list` is the text of a file. */
async function restartedFor(
  args: string,
  list = "",
  kind: FileInfo["kind"] = "file",
): Promise<string[]> {
  const overrides: Partial<Host> = {
    readTextFile: () => Promise.resolve(list),
    fileInfo: () => Promise.resolve({ kind, size: list.length, modified: 0 }),
  };
  return await insecureHosts(parseCommand(args.split(" ")), fakeHost([], { overrides }));
}

const LISTS: readonly [args: string, list: string, hosts: string[]][] = [
  ["push --from list --to a.test", "b.tar\n# no\nc.tar c.test/app:1\n", ["a.test", "c.test"]],
  ["push --from list", '{"source":"b.tar","target":["a.test","b.test/x:1"]}', ["a.test", "b.test"]],
  ["copy --from list --to a.test", "b.test/x:1\nc.test/x:1 d.test/y:1", [
    ...["a.test", "b.test", "c.test", "d.test"],
  ]],
  ["save --from list app.tar", "a.test/x:1\nb.test/x:1", ["a.test", "b.test"]],
  ["copy --from list --to a.test", "one two three", ["a.test"]],
  ["copy --from - --to a.test", "b.test/x:1", ["a.test"]],
];

for (const [args, list, hosts] of LISTS) {
  test(`${args} --insecure accepts the certificates of ${JSON.stringify(list)}`, async () => {
    assertEquals(await restartedFor(`${args} --insecure`, list), hosts);
    assertEquals(await restartedFor(args, list), []);
  });
}

test("insecureHosts() leaves a pipe to the command", async () => {
  const args = "push --from list --to a.test --insecure";
  assertEquals(await restartedFor(args, "b.tar b.test", "other"), ["a.test"]);
});

for (const [args, hosts] of CASES) {
  test(`${args} --insecure accepts the certificates of what it names alone`, async () => {
    assertEquals(await restartedFor(`${args} --insecure`), hosts);
    assertEquals(await trustedBy(`${args} --insecure`), hosts);
    assertEquals(await trustedBy(args), []);
  });
}

test("connectionOptions() takes in what a list names", async () => {
  const trusted = await trustedBy("copy --from list --to a.test --insecure", ["b.test/app:1"]);
  assertEquals(trusted, ["a.test", "b.test"]);
});
