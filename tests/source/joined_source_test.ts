import { assert, assertEquals, assertRejects } from "@std/assert";
import { bytesSource, readRange } from "../../src/source/blob_source.ts";
import { JoinedSource } from "../../src/source/joined_source.ts";
import { randomBytes } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";

const WHOLE = randomBytes(1000);

function joinedAt(...cuts: number[]): JoinedSource {
  const starts = [0, ...cuts];
  return new JoinedSource(
    starts.map((start, at) => bytesSource(WHOLE.slice(start, starts[at + 1] ?? WHOLE.length))),
  );
}

test("JoinedSource has the bytes of all in order, at any offset", async () => {
  for (
    const source of [joinedAt(), joinedAt(1), joinedAt(500, 500, 999), joinedAt(100, 200, 300)]
  ) {
    assertEquals(source.size, WHOLE.length);
    for (
      const [start, end] of [[0, 1000], [99, 101], [100, 200], [500, 501], [0, 0], [999, 2000]]
    ) {
      const wanted = WHOLE.slice(start, end);
      const slice = source.slice(start ?? 0, end ?? 0);
      assertEquals(await new Response(slice.stream()).bytes(), wanted);
      assertEquals(await readRange(source, start ?? 0, end ?? 0), wanted);
    }
  }
});

test("JoinedSource can what its sources can: all of it within one, what all can across them", async () => {
  const checked: string[] = [];
  const part = (name: string, isOwn: boolean) => ({
    size: 10,
    slice: (start: number, end: number) => {
      const stream = () => new Blob([`${name}${start}-${end} `]).stream();
      const checkUnchanged = () => Promise.resolve(void checked.push(name));
      return { stream, checkUnchanged, ...isOwn ? { ownStream: stream } : {} };
    },
  });
  const source = new JoinedSource([part("a", true), part("b", true), part("c", false)]);
  const across = source.slice(5, 15);
  await across.checkUnchanged?.();
  assertEquals(checked, ["a", "b"]);
  assertEquals(await new Response(across.ownStream?.()).text(), "a5-10 b0-5 ");
  assertEquals(source.slice(15, 25).ownStream, undefined);
  const within = new JoinedSource([new Blob(["one"]), new Blob(["two"])]).slice(3, 6);
  assert(within instanceof Blob);
});

test("JoinedSource has changed where one of its sources has", async () => {
  const changed = new Error("it has changed");
  const part = (check: Promise<void>) => ({
    size: 10,
    slice: () => ({ stream: () => new Blob().stream(), checkUnchanged: () => check }),
  });
  const failing = Promise.reject(changed);
  failing.catch(() => {});
  const source = new JoinedSource([part(Promise.resolve()), part(failing)]);
  const error = await assertRejects(async () => await source.slice(5, 15).checkUnchanged?.());
  assertEquals(error, changed);
});

test("JoinedSource opens a source only when it is read, and cancels what is not wanted", async () => {
  const log: string[] = [];
  const source = (name: string) => ({
    size: 10,
    slice: (start: number, end: number) => ({
      stream: () => {
        log.push(`open ${name}`);
        return new ReadableStream<Uint8Array>({
          pull: (controller) => controller.enqueue(new Uint8Array(end - start)),
          cancel: () => void log.push(`cancel ${name}`),
        }, { highWaterMark: 0 });
      },
    }),
  });
  const reader = new JoinedSource([source("a"), source("b")]).slice(5, 15).stream().getReader();
  assertEquals((await reader.read()).value?.length, 5);
  await reader.cancel();
  assertEquals(log, ["open a", "cancel a"]);
});
