import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OciError } from "../../src/errors.ts";
import { fileError, stateOfCode } from "../../src/runtime/file_error.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createNewFile, requireReplaceable } from "../../src/runtime/new_file.ts";
import { createByteOutput } from "../../src/runtime/output.ts";
import { listFolder, temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const host = currentHost();
const isWindows = "Deno" in globalThis && Deno.build.os === "windows";
const PIECE = new Uint8Array(700_000).map((_, at) => at * 13);

test(
  "Host.createFile() gives a file its name when it is whole, in the place of another",
  async () => {
    await using folder = await temporaryFolder();
    const path = await folder.write("app.tar", "before");
    {
      await using file = await host.createFile(path);
      await file.write(PIECE);
      assertEquals(await folder.read("app.tar"), new TextEncoder().encode("before"));
      const names = await listFolder(folder.path);
      assertEquals(names.length, 2);
      assert(names.some((name) => /^app\.tar\.[0-9a-f]{8}\.partial$/.test(name)), `${names}`);
      await file.write(PIECE.subarray(0, 1));
      await file.write(new Uint8Array(0));
      await file.commit();
      assertEquals(await listFolder(folder.path), ["app.tar"]);
    }
    const bytes = await folder.read("app.tar");
    assertEquals([bytes.length, bytes[699_999], bytes[700_000]], [
      700_001,
      PIECE[699_999],
      PIECE[0],
    ]);
    assertEquals(await listFolder(folder.path), ["app.tar"]);
  },
  { skip: isWindows ? "no ls" : undefined },
);

test(
  "Host.createFile() leaves what was there, and nothing else, where it is not committed",
  async () => {
    await using folder = await temporaryFolder();
    const path = await folder.write("app.tar", "before");
    for (const place of [path, `${folder.path}/new.tar`]) {
      await using file = await host.createFile(place);
      await file.write(PIECE);
    }
    assertEquals(await listFolder(folder.path), ["app.tar"]);
    assertEquals(await folder.read("app.tar"), new TextEncoder().encode("before"));
  },
  { skip: isWindows ? "no ls" : undefined },
);

test("Host.createFile() takes names with spaces, quotes, dashes and dollar signs", async () => {
  await using folder = await temporaryFolder();
  for (const name of ["a b.tar", "it's.tar", "-f.tar", "$HOME.tar", "*.tar", "a;b.tar"]) {
    await using file = await host.createFile(`${folder.path}/${name}`);
    await file.write(new TextEncoder().encode(name));
    await file.commit();
    assertEquals(new TextDecoder().decode(await folder.read(name)), name);
  }
});

test("Host.createFile() takes names as long as a file system does", async () => {
  await using folder = await temporaryFolder();
  for (const name of ["a".repeat(251) + ".tar", "\u{1f4e6}".repeat(63) + "abc"]) {
    const path = `${folder.path}/${name}`;
    assertEquals(await host.requireWritable(path), false);
    await using file = await host.createFile(path);
    await file.write(PIECE);
    await file.commit();
    assertEquals(await folder.read(name), PIECE);
  }
  // A longer one is refused before there is anything to write.
  const longer = `${folder.path}/${"a".repeat(256)}`;
  for (const begin of [() => host.createFile(longer), () => host.requireWritable(longer)]) {
    const error = await assertRejects(begin, OciError);
    assertEquals(error.message, `Cannot write ${JSON.stringify(longer)}: its name is too long`);
  }
}, { skip: isWindows ? "its names are counted in UTF-16" : undefined });

test("Host.createFile() says what is in the way", async () => {
  await using folder = await temporaryFolder();
  const refused = async (path: string, message: string) => {
    const error = await assertRejects(() => host.createFile(path), OciError);
    assertEquals(error.message, `Cannot write ${JSON.stringify(path)}: ${message}`);
    return error.hint;
  };
  assertEquals(
    await refused(folder.path, "it is a directory, expected a file"),
    "name a file in it",
  );
  await refused(`${folder.path}/none/app.tar`, "its folder does not exist");
  await refused("", "no such file");
  const hint = await refused("/dev/null", "it is a pipe or device, expected a file");
  assert(hint?.includes("tarpush save REFERENCE - | COMMAND"), hint);
  await refused("/proc/self/fd/1", "it is a pipe or device, expected a file");
}, { skip: isWindows ? "no /dev/null" : undefined });

test("a file takes no place of what is open already, be that a file, too", () => {
  const file = { isFile: true, isDirectory: false };
  // As /dev/stdout is where the output is led to a file: the link in its place is that of the whole machine.
  for (const path of ["/dev/stdout", "/dev/fd/3", "/proc/self/fd/1", "/proc/77/fd/1"]) {
    assertThrows(() => requireReplaceable(path, file), OciError, "it is a pipe or device");
  }
  for (const path of ["/dev/shm/app.tar", "dev/stdout", "/dev/stdout.tar"]) {
    requireReplaceable(path, file);
    requireReplaceable(path, undefined);
  }
});

test("NewFile gives no name to what has not come to the disk, however often it is asked to", async () => {
  const done: string[] = [];
  const step = (name: string, error?: Error) => () => {
    done.push(name);
    return error ? Promise.reject(error) : Promise.resolve();
  };
  {
    await using file = createNewFile({
      write: step("write"),
      end: step("end", new Error("disk full")),
      drop: step("drop"),
      rename: step("rename"),
      remove: step("remove"),
    });
    for (const again of [() => file.end(), () => file.commit(), () => file.commit()]) {
      await assertRejects(again, Error, "disk full");
    }
  }
  assertEquals(done, ["end", "remove"]);
});

test("stateOfCode() knows what people meet", () => {
  assertEquals(stateOfCode("ENOSPC"), "full");
  assertEquals(stateOfCode("toString"), undefined);
  assertEquals(stateOfCode(undefined), undefined);
  assertEquals(fileError("write", "a", "full").message, 'Cannot write "a": the disk is full');
});

test("ByteOutput says when nobody reads, and reports other failures", async () => {
  const failures: unknown[] = [undefined, new Error("disk full"), "broken"];
  const written: number[] = [];
  const output = createByteOutput({
    name: "stdout",
    isTerminal: () => true,
    write: (bytes) => {
      written.push(bytes.length);
      const failure = failures.shift();
      return failure === undefined ? Promise.resolve() : Promise.reject(failure);
    },
    isBrokenPipe: (error) => error === "broken",
  });
  assertEquals(await output.isTerminal(), true);
  assertEquals(await output.write(new Uint8Array(1)), true);
  assertEquals(await output.write(new Uint8Array(0)), true);
  const error = await assertRejects(() => output.write(new Uint8Array(2)), OciError);
  assertEquals(error.message, "Cannot write to stdout: disk full");
  assertEquals(await output.write(new Uint8Array(3)), false);
  assertEquals(await output.write(new Uint8Array(4)), false);
  assertEquals(written, [1, 2, 3]);
});
