import { assertEquals } from "@std/assert";
import { parseCommand } from "../../src/cli/args.ts";
import { connectionOptions, insecureHosts } from "../../src/cli/connection.ts";
import type { Host } from "../../src/runtime/host.ts";
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

for (const [args, hosts] of CASES) {
  test(`${args} --insecure accepts the certificates of what it names alone`, async () => {
    assertEquals(insecureHosts(parseCommand(`${args} --insecure`.split(" "))), hosts);
    assertEquals(await trustedBy(`${args} --insecure`), hosts);
    assertEquals(await trustedBy(args), []);
  });
}

test("connectionOptions() takes in what a list names", async () => {
  const trusted = await trustedBy("copy --from list --to a.test --insecure", ["b.test/app:1"]);
  assertEquals(trusted, ["a.test", "b.test"]);
});
