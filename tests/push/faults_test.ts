import { assert, assertEquals } from "@std/assert";
import { pushImage, type PushResult } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  makeImage,
  makeLayer,
  OciLayout,
  platformLayout,
  toBlob,
} from "../helpers/archives.ts";
import { allTags, readBack, type Registry } from "../helpers/expected.ts";
import { atRequest, type Fault, faultLayer } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";

/** An index of two platforms with attestations, its layers partly the same. */
async function makeIndex(): Promise<Blob> {
  const common = await makeLayer("common");
  const { layout } = await platformLayout((platform) => [common, platform], { attested: true });
  return toBlob(layout.entries());
}

/** Two images of two repositories with a layer in common, which is mounted, and one of them with two names. */
async function makeDocker(): Promise<Blob> {
  const common = await makeLayer("common");
  return toBlob(dockerSave([
    { image: await makeImage([common, "a"]), repoTags: ["a:1", "a:2"] },
    { image: await makeImage([common, "b"]), repoTags: ["b:1"] },
  ]));
}

const ARCHIVES = [
  { name: "an index", tar: await makeIndex(), target: "localhost:5000/app:1", tags: ["app:1"] },
  {
    name: "two images",
    tar: await makeDocker(),
    target: "localhost:5000",
    tags: ["a:1", "a:2", "b:1"],
  },
] as const;

/** Every tag with the digest of what is below it; fails where a part is missing. */
async function readTags(registry: Registry): Promise<[string, string][]> {
  const tags: [string, string][] = [];
  for (const name of await allTags(registry)) {
    const [repository = "", tag = ""] = name.split(":");
    tags.push([name, (await readBack(registry, repository, tag)).digest]);
  }
  return tags;
}

function digestsOf({ images }: PushResult): [string, string][] {
  return images.map(({ reference, digest }) => [reference.replace("localhost:5000/", ""), digest]);
}

const HOW: Record<string, Fault> = {
  "nothing of it arrives": { kind: "refuse" },
  "a part of its body arrives": { kind: "cut-body", after: 100 },
  "its answer is lost": { kind: "lose-response" },
  "it is answered with 500": {
    kind: "answer",
    answer: () => new Response(null, { status: 500 }),
    readBody: true,
  },
};

for (const { name, tar, target, tags } of ARCHIVES) {
  for (const concurrency of [1, 3]) {
    const once = { concurrency, retry: { attempts: 1, delay: 0 } };

    test(`pushImage() of ${name}, ${concurrency} at a time: at no request is a tag incomplete`, async () => {
      const registry = createRegistry();
      const check = { kind: "before", run: async () => void await readTags(registry) } as const;
      const layer = faultLayer(registry, () => check);
      const result = await pushImage(tar, target, { fetch: layer.fetch, ...once });
      assertEquals(await readTags(registry), digestsOf(result).toSorted());
      assertEquals(await allTags(registry), [...tags]);
    });

    for (const [how, fault] of Object.entries(HOW)) {
      test(`pushImage() of ${name}, ${concurrency} at a time, ends at any request when ${how}: no tag is incomplete, a second run completes it`, async () => {
        const whole = faultLayer(createRegistry());
        const expected = digestsOf(await pushImage(tar, target, { fetch: whole.fetch, ...once }));
        for (let number = 1; number <= whole.seen.length; number++) {
          const registry = createRegistry();
          const layer = faultLayer(registry, atRequest(number, fault));
          await pushImage(tar, target, { fetch: layer.fetch, ...once }).catch(() => {});
          const cut = layer.seen[number - 1];
          assert(cut, `request ${number} did not come`);
          const standing = await readTags(registry);
          for (const [tag, digest] of standing) {
            assertEquals(digest, expected.find(([name]) => name === tag)?.[1], tag);
          }
          const again = await pushImage(tar, target, { fetch: registry, ...once });
          assertEquals(digestsOf(again), expected, `${cut.method} ${cut.path}`);
          assertEquals(await readTags(registry), expected.toSorted());
        }
      });
    }
  }

  test(`pushImage() of ${name} survives a fault at any single request`, async () => {
    const whole = faultLayer(createRegistry());
    const expected = digestsOf(await pushImage(tar, target, { fetch: whole.fetch }));
    for (const fault of Object.values(HOW)) {
      for (let number = 1; number <= whole.seen.length; number++) {
        const registry = createRegistry();
        const layer = faultLayer(registry, atRequest(number, fault));
        const options = { fetch: layer.fetch, retry: { delay: 0 } };
        assertEquals(digestsOf(await pushImage(tar, target, options)), expected);
        assertEquals(await readTags(registry), expected.toSorted());
      }
    }
  });
}

test("pushImage() leaves what a second run need not upload again", async () => {
  const { tar, target } = ARCHIVES[0];
  const whole = faultLayer(createRegistry());
  const { bytesUploaded } = await pushImage(tar, target, { fetch: whole.fetch, concurrency: 1 });
  const last = whole.seen.length;
  const registry = createRegistry();
  const layer = faultLayer(registry, atRequest(last, { kind: "refuse" }));
  const options = { concurrency: 1, retry: { attempts: 1 } };
  await pushImage(tar, target, { fetch: layer.fetch, ...options }).catch(() => {});
  assertEquals(await allTags(registry), []);
  const again = await pushImage(tar, target, { fetch: registry, ...options });
  assert(bytesUploaded > 0);
  assertEquals(again.bytesUploaded, 0);
});

test("pushImage() of one image by two callers at once leaves it whole", async () => {
  for (const { tar, target } of ARCHIVES) {
    const registry = createRegistry();
    const both = await Promise.all([
      pushImage(tar, target, { fetch: registry }),
      pushImage(tar, target, { fetch: registry, concurrency: 1 }),
    ]);
    const [first, second] = both.map(digestsOf);
    assertEquals(first, second);
    assertEquals(await readTags(registry), first?.toSorted());
  }
});

test("pushImage() of another image leaves the old one under the tag until the new one is whole", async () => {
  const { tar, target } = ARCHIVES[0];
  const old = await makeLayer("old");
  const layout = new OciLayout();
  layout.add(await layout.image(await makeImage([old])));
  const count = faultLayer(createRegistry());
  await pushImage(tar, target, { fetch: count.fetch, concurrency: 1 });
  for (let number = 1; number <= count.seen.length; number++) {
    const registry = createRegistry();
    const before = digestsOf(
      await pushImage(toBlob(layout.entries()), target, { fetch: registry }),
    );
    const layer = faultLayer(registry, atRequest(number, { kind: "refuse" }));
    await pushImage(tar, target, { fetch: layer.fetch, concurrency: 1, retry: { attempts: 1 } })
      .catch(() => {});
    assertEquals(await readTags(registry), before);
  }
});
