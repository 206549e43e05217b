import { assertEquals } from "@std/assert";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { startTarpush } from "../helpers/server_process.ts";
import { test } from "../helpers/test.ts";

// The OCI's own tests: go install github.com/opencontainers/distribution-spec/conformance@latest
const conformance = requireProgram("conformance");
const VERSIONS = ["1.1", "dev"];

/** Runs them against a registry of its own process; how many there were is printed, that none failed is what is asserted. */
async function runConformance(version: string, ...options: string[]): Promise<void> {
  await using server = await startTarpush("--allow-delete", ...options);
  await using results = await temporaryFolder();
  const { code, stdout, stderr } = await runProcess(conformance.path, [], {
    cwd: results.path,
    env: {
      OCI_VERSION: version,
      OCI_REGISTRY: `127.0.0.1:${server.port}`,
      OCI_TLS: "disabled",
      OCI_RESULTS_DIR: results.path,
    },
  });
  const report = new TextDecoder().decode(await results.read("junit.xml"));
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(report)?.[1]);
  const [tests, skipped] = [count("tests"), count("skipped")];
  const failed = count("failures") + count("errors");
  const where = options.length > 0 ? "folder" : "memory";
  const passed = tests - skipped - failed;
  console.log(`conformance ${version}, ${where}: ${passed} passed, ${failed} failed`);
  assertEquals([code, failed], [0, 0], stdout + stderr);
  assertEquals(passed > 500, true, `only ${passed} tests of the specification were run`);
}

for (const version of VERSIONS) {
  test(`tarpush serve passes the conformance tests of the OCI, ${version}`, async () => {
    await runConformance(version);
  }, { skip: conformance.skip });
}

test(
  "tarpush serve --dir passes the conformance tests of the OCI, from one start to the next",
  async () => {
    await using folder = await temporaryFolder();
    for (const version of VERSIONS) await runConformance(version, "--dir", folder.path);
    for (const version of VERSIONS) await runConformance(version, "--dir", folder.path);
  },
  { skip: conformance.skip },
);
