import { assertEquals, assertMatch } from "@std/assert";
import { dockerSave, makeImage } from "../helpers/archives.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { runProgram, temporaryFolder } from "../helpers/process.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const AUTHORITY = await createAuthority();

for (const { kind, title, skip } of realRegistries()) {
  test(`tarpush reaches ${title} over TLS, and says so where it does not`, async () => {
    await using registry = await startRealRegistry(kind, { tls: await AUTHORITY.issue() });
    await using folder = await temporaryFolder();
    const image = await makeImage(["a", "b"]);
    await folder.write("image.tar", writeTar(dockerSave([{ image }])));
    await folder.write("ca.pem", AUTHORITY.cert);
    const tarpush = async (line: string) => {
      return await runProgram(line, { cwd: folder.path });
    };
    const { origin, host } = registry;
    for (const option of ["--ca ca.pem", "--insecure"]) {
      const pushed = await tarpush(`push image.tar ${origin}/team/app:1 ${option}`);
      assertEquals(pushed.code, 0, pushed.stderr);
      const [, digest = ""] = pushed.stdout.trim().split("@");
      const info = await tarpush(`info ${origin}/team/app:1 --json ${option}`);
      assertEquals(JSON.parse(info.stdout).digest, digest, info.stderr);
      const tags = await tarpush(`ls ${origin}/team/app ${option}`);
      assertEquals(tags.stdout, "1\n", tags.stderr);
      const removed = await tarpush(`rm ${origin}/team/app@${digest} --yes ${option}`);
      assertEquals(removed.code, 0, removed.stderr);
    }
    for (const args of [`ping ${origin}`, `push image.tar ${origin}/app:1`]) {
      const { code, stderr } = await tarpush(args);
      assertEquals(code, 1);
      assertMatch(stderr, /its TLS certificate is not trusted\nhint: .*--ca FILE/);
    }
    // Go answers such a request with 400 and a text, to HEAD with the status alone.
    for (const args of [`ping http://${host}`, `push image.tar http://${host}/app:1`]) {
      const { code, stderr } = await tarpush(args);
      assertEquals(code, 1);
      assertMatch(
        stderr,
        /it speaks https, not plain http\nhint: write https:\/\/127\.0\.0\.1:\d+\//,
      );
    }
  }, { skip });
}
