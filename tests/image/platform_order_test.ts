import { assertEquals } from "@std/assert";
import { rankFitting } from "../../src/image/platform_order.ts";
import { parsePlatforms } from "../../src/image/platform_text.ts";
import { formatPlatform } from "../../src/media_types.ts";
import { test } from "../helpers/test.ts";

function rank(wanted: string, ...offered: string[]): string[] {
  const [platform] = parsePlatforms([wanted]);
  if (!platform) throw new Error("unreachable");
  const offers = parsePlatforms(offered).map((platform) => ({ platform }));
  return rankFitting(platform, offers).map(({ platform }) => formatPlatform(platform));
}

test("rankFitting() puts the newest arm first that every arm of today runs: v7, v6, v5, then v8", () => {
  const offered = ["linux/arm/v5", "linux/arm/v8", "linux/arm/v6", "linux/arm/v7", "linux/arm64"];
  assertEquals(
    rank("linux/arm", ...offered),
    ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/arm/v8"],
  );
  assertEquals(rank("linux/arm", "linux/arm/v6", "linux/arm"), ["linux/arm", "linux/arm/v6"]);
});

test("rankFitting() puts what every machine of an architecture runs before what some do", () => {
  assertEquals(
    rank("linux/amd64", "linux/amd64/v3", "linux/amd64", "linux/amd64/v4", "linux/amd64/v2"),
    ["linux/amd64", "linux/amd64/v4", "linux/amd64/v3", "linux/amd64/v2"],
  );
  assertEquals(
    rank(
      "linux/arm64",
      "linux/arm64/v9",
      "linux/arm64/v8.2",
      "linux/arm64/v8",
      "linux/arm64/v8.10",
    ),
    ["linux/arm64/v8", "linux/arm64/v9", "linux/arm64/v8.10", "linux/arm64/v8.2"],
  );
});

test("rankFitting() takes a variant that is asked for, and no other", () => {
  const offered = ["linux/arm/v5", "linux/arm/v6", "linux/arm"];
  assertEquals(rank("linux/arm/v6", ...offered), ["linux/arm/v6"]);
  assertEquals(rank("linux/arm/v7", ...offered), ["linux/arm"]);
  assertEquals(rank("linux/arm/v8", ...offered), []);
  assertEquals(rank("linux/amd64/v1", "linux/amd64", "linux/amd64/v2"), ["linux/amd64"]);
});

test("rankFitting() knows the spellings that containerd knows", () => {
  const pairs: [string, string][] = [
    ["linux/x86_64", "linux/amd64"],
    ["linux/aarch64", "linux/arm64/v8"],
    ["linux/arm64/v8.0", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/armhf", "linux/arm"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/arm/6", "linux/arm/v6"],
    ["linux/i386", "linux/386"],
    ["macos/arm64", "darwin/arm64"],
    ["Linux/AMD64", "linux/amd64"],
  ];
  for (const [wanted, offered] of pairs) {
    assertEquals(rank(wanted, offered), [offered]);
    assertEquals(rank(offered, wanted), [wanted]);
  }
  assertEquals(rank("linux/armhf", "linux/arm/v6"), []);
});

test("rankFitting() takes the newest os.version, by number, or that which is asked for", () => {
  const offered = ["10.0.9.1", "10.0.20348.587", "10.0.17763.5329", "10.0.20348.2227"]
    .map((version) => `windows/amd64:${version}`);
  const [nine, old, older, newest] = offered;
  assertEquals(rank("windows/amd64", ...offered), [newest, old, older, nine] as string[]);
  assertEquals(rank("windows/amd64:10.0.20348.587", ...offered), [old] as string[]);
  assertEquals(rank("windows/amd64:10.0.20348", ...offered), [newest, old] as string[]);
  assertEquals(rank("windows/amd64:10.0.2", ...offered, "windows/amd64"), []);
});

test("rankFitting() leaves features that nobody asked for to the end, but for Windows' own", () => {
  assertEquals(
    rank("linux/amd64", "linux/amd64:+erofs", "linux/amd64/v2", "linux/amd64"),
    ["linux/amd64", "linux/amd64/v2", "linux/amd64:+erofs"],
  );
  assertEquals(
    rank("linux/amd64:+erofs", "linux/amd64", "linux/amd64:+a+erofs", "linux/amd64:+erofs"),
    [
      "linux/amd64:+erofs",
      "linux/amd64:+a+erofs",
    ],
  );
  assertEquals(rank("windows/amd64", "windows/amd64:1.0", "windows/amd64:1.0+win32k"), [
    "windows/amd64:1.0+win32k",
    "windows/amd64:1.0",
  ]);
});

test("rankFitting() keeps equal ones in their order, and finds nothing where nothing is known", () => {
  const [platform] = parsePlatforms(["linux/amd64"]);
  const offers = [{ platform, at: 0 }, { platform: undefined, at: 1 }, { platform, at: 2 }];
  assertEquals(rankFitting({ os: "linux", architecture: "amd64" }, offers).map(({ at }) => at), [
    0,
    2,
  ]);
});

test("rankFitting() takes any name of an architecture, such as one that every object has as a member", () => {
  const offered = ["linux/constructor", "linux/__proto__/v1", "linux/amd64"];
  assertEquals(rank("linux/amd64", ...offered), ["linux/amd64"]);
  assertEquals(rank("linux/constructor", ...offered), ["linux/constructor"]);
});
