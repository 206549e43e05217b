import { assert, assertEquals, assertMatch } from "@std/assert";
import { createGateway } from "../../src/edge/mod.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry, type RegistryOptions } from "../../src/server/mod.ts";
import { type PageSettings, readPage, servePage } from "../../src/edge/page.ts";
import { closedPort, serve } from "../end_to_end/registry_server.ts";
import {
  type Bytes,
  dockerSave,
  flipByte,
  gzip,
  makeImage,
  makeLayer,
  OciLayout,
  randomBytes,
  withPlatform,
} from "../helpers/archives.ts";
import { chromium, startBrowser, type Tab, type View } from "../helpers/browser.ts";
import { type TemporaryFolder, temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { startRealRegistry } from "../helpers/real_registry.ts";
import { startTarpush } from "../helpers/server_process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { allTags } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";

const MIB = 1024 * 1024;
const DIGEST = /sha256:[0-9a-f]{64}/;
/** The page is the same, whatever runs the test. */
const skip = "Deno" in globalThis ? chromium.skip : "the page is the same; it is tried on Deno";
/** What a registry has to send so that a page can push to it; docs/web-page.md has it, too. */
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Methods": "HEAD, GET, POST, PATCH, PUT, DELETE",
  "Access-Control-Allow-Headers": "Accept, Authorization, Content-Range, Content-Type, Range",
  "Access-Control-Expose-Headers":
    "Docker-Content-Digest, Link, Location, OCI-Chunk-Max-Length, OCI-Chunk-Min-Length, OCI-Subject, Range, Retry-After",
};
const VIEWS: View[] = [
  { width: 1280, height: 900, scheme: "light" },
  { width: 1280, height: 900, scheme: "dark" },
  { width: 390, height: 844, scheme: "light" },
  { width: 390, height: 844, scheme: "dark" },
];

test("the page of tarpush serve pushes, shows what the registry holds, and deletes", async () => {
  await using server = await startTarpush("--allow-delete");
  const address = `http://127.0.0.1:${server.port}/`;
  await using folder = await temporaryFolder();
  const tar = await writeArchive(folder, ["one", "two"]);
  await using browser = await startBrowser();
  const page = await browser.open(address);
  await page.untilText("It holds nothing yet");
  await push(page, tar);
  await page.untilText("Pushed in");
  assertMatch(await page.text(), DIGEST);

  await page.click("team/app");
  await page.until('location.hash === "#/team/app"');
  await page.until(
    '[...document.querySelectorAll(".list a span")].some((at) => at.innerText === "1.0")',
  );
  await page.evaluate('document.querySelector(".list a").click()');
  await page.untilText("docker pull");
  const text = await page.text();
  assert(text.includes(`docker pull ${new URL(address).host}/team/app:1.0`), text);
  assertMatch(text, /linux\/amd64/);
  assertMatch(text, /2 layers/);

  await push(page, tar);
  await page.until('document.body.innerText.split("already there").length === 4');

  await page.click("Delete tag 1.0");
  await page.untilText("Delete the tag 1.0?");
  await page.press("Escape");
  await page.until('!document.querySelector("dialog")');
  assertEquals((await fetch(`${address}v2/team/app/manifests/1.0`)).status, 200);
  await page.click("Delete tag 1.0");
  await page.click("Delete");
  await page.untilText("No tags are left here");
  assertEquals(page.errors, []);
}, { skip });

test("the page of tarpush serve ARCHIVE shows what it holds, and pushes nothing", async () => {
  await using folder = await temporaryFolder();
  await using server = await startTarpush(await writeArchive(folder, ["one", "two"]));
  const address = `http://127.0.0.1:${server.port}/`;
  await using browser = await startBrowser();
  const page = await browser.open(`${address}#/team/app`);
  await page.until(
    '[...document.querySelectorAll(".list a span")].some((at) => at.innerText === "1.0")',
  );
  await page.evaluate('document.querySelector(".list a").click()');
  await page.untilText(`docker pull ${new URL(address).host}/team/app:1.0`);
  assertMatch(await page.text(), /2 layers/);
  assertEquals(await page.evaluate("document.querySelector('input[type=file]') === null"), true);
  assertEquals(page.errors, []);
}, { skip });

const distribution = requireProgram("docker-registry");
test(
  "the page pushes large layers to distribution 2 that lets it in, and names what is missing where not",
  async () => {
    await using folder = await temporaryFolder();
    const tar = await writeArchive(folder, [randomBytes(20 * MIB), randomBytes(9 * MIB)]);
    await using registry = await startRealRegistry("docker-registry", { headers: CORS });
    await using closed = await startRealRegistry("docker-registry");
    const { "Access-Control-Expose-Headers": _, ...few } = CORS;
    await using hiding = await startRealRegistry("docker-registry", { headers: few });
    await using server = await servePageAlone();
    await using browser = await startBrowser();
    const page = await browser.open(`http://${server.host}/`);
    const before = await page.heap();

    await push(page, tar, { registry: registry.host });
    await page.untilText("Pushed in");
    const [digest] = DIGEST.exec(await page.text()) ?? [];
    const stored = await fetch(`${registry.origin}/v2/team/app/manifests/1.0`, {
      headers: { accept: "application/vnd.docker.distribution.manifest.v2+json" },
    });
    await stored.body?.cancel();
    assertEquals(stored.headers.get("docker-content-digest"), digest);
    const growth = await page.heap() - before;
    assert(growth < 4 * MIB, `the heap grew by ${growth} bytes`);

    // Distribution 2 deletes no tag alone: its manifest goes.
    await page.click("team/app");
    await page.until('location.hash === "#/team/app" && document.querySelector(".list a span")');
    await page.evaluate('document.querySelector(".list a").click()');
    await page.click("Delete tag 1.0");
    await page.click("Delete");
    await page.until('location.hash === "#/team/app"');
    assertEquals((await fetch(`${registry.origin}/v2/team/app/manifests/${digest}`)).status, 404);

    await page.fill("Registry", closed.host);
    await page.click("Push");
    await page.untilText("does not let this page send it");
    const text = await page.text();
    assert(text.includes(`Access-Control-Allow-Origin: http://${server.host}`), text);
    assert(text.includes(CORS["Access-Control-Expose-Headers"]), text);

    await page.fill("Registry", hiding.host);
    await page.click("Push");
    await page.untilText("does not let this page read its header Location");

    await page.fill("Registry", await closedPort());
    await page.click("Push");
    await page.untilText("no connection");
    assertEquals(page.errors, []);
  },
  { skip: skip ?? distribution.skip },
);

test(
  "the page works from another machine of the local network, where browsers keep much from it",
  async () => {
    await using server = await serveRegistry();
    await using folder = await temporaryFolder();
    await using browser = await startBrowser(["--host-resolver-rules=MAP registry.lan 127.0.0.1"]);
    const [, port] = server.host.split(":");
    const page = await browser.open(`http://registry.lan:${port}/`);
    assertEquals(await page.evaluate("isSecureContext"), false);
    await push(page, await writeArchive(folder, ["one", randomBytes(2 * MIB)]));
    await page.untilText("Pushed in");
    const [digest = ""] = DIGEST.exec(await page.text()) ?? [];
    await page.click(`Copy digest of registry.lan:${port}/team/app:1.0`);
    await page.untilText("Copied");
    assertEquals(
      (await fetch(`http://${server.host}/v2/team/app/manifests/${digest}`)).status,
      200,
    );
    assertEquals(page.errors, []);
  },
  { skip },
);

test("the page works in browsers that lack what some of the last years do", async () => {
  await using server = await serveRegistry();
  await using folder = await temporaryFolder();
  await using browser = await startBrowser();
  const page = await browser.open("about:blank#");
  await page.runBefore(`
    delete ReadableStream.prototype[Symbol.asyncIterator];
    delete URL.parse;
    // As in Safari; what the symbols are called cannot be deleted.
    const { Symbol: Whole } = globalThis;
    globalThis.Symbol = Object.assign((name) => Whole(name), { prototype: Whole.prototype });
    for (const name of Object.getOwnPropertyNames(Whole)) {
      if (!/dispose|prototype/i.test(name)) Object.defineProperty(Symbol, name, { value: Whole[name] });
    }
  `);
  await page.go(`http://${server.host}/`);
  await push(page, await writeArchive(folder, ["one", "two"]));
  await page.untilText("Checked: every digest is right");
  await page.untilText("Pushed in");
  assertEquals(page.errors, []);
}, { skip });

test("the page says what is wrong with an archive", async () => {
  await using folder = await temporaryFolder();
  const archive = writeTar(
    dockerSave([{ image: await makeImage(["flip me", "b"]), repoTags: ["app:1"] }]),
  );
  await using server = await serveRegistry();
  await using browser = await startBrowser();
  const page = await browser.open(`http://${server.host}/`);
  await page.chooseFile(await folder.write("broken.tar", archive.subarray(0, 2000)));
  await page.until('document.querySelector("[role=alert]")');
  assertMatch(await page.text(), /Cannot read/);
  await page.dropFile(await folder.write("page.tar", new TextEncoder().encode("<html></html>")));
  await page.untilText("HTML");
  await page.dropFile(folder.path);
  await page.untilText("it is a folder, expected a file");
  const two = [await folder.write("1.tar", archive), await folder.write("2.tar", archive)];
  await page.dropFile(...two);
  await page.untilText("Cannot read 2 files at once: expected one");
  const flipped = flipByte(archive, new TextDecoder("latin1").decode(archive).indexOf("flip me"));
  await page.chooseFile(await folder.write("flipped.tar", flipped));
  await page.until('document.querySelector(".findings .error")');
  assertMatch(await page.text(), /sha256:/);
}, { skip });

test("the page tells of options where they are", async () => {
  const registry = createRegistry();
  await using server = await serveRegistry({}, async (request) => {
    const isLarge = Number(request.headers.get("content-length")) > MIB;
    return isLarge ? new Response("large", { status: 400 }) : await registry(request);
  });
  await using folder = await temporaryFolder();
  await using browser = await startBrowser();
  const page = await browser.open(`http://${server.host}/`);
  await push(page, await writeArchive(folder, [randomBytes(3 * MIB)]));
  await page.until('document.querySelector("[role=alert]")');
  assertMatch(await page.text(), /With tarpush in a terminal: .* --chunk-size/i);
}, { skip });

test("the page tells what it takes to push from a file", async () => {
  await using folder = await temporaryFolder();
  const path = await folder.write("index.html", new TextEncoder().encode(await readPage()));
  await using closed = await serve(createRegistry());
  await using browser = await startBrowser();
  const page = await browser.open(`file://${path}`);
  await push(page, await writeArchive(folder, ["one"]), { registry: closed.host });
  await page.untilText("Access-Control-Allow-Origin: *");
}, { skip });

const ENDS: [how: string, end: (page: Tab) => Promise<void>][] = [
  ["when it is told to", async (page) => {
    await page.click("Cancel");
    await page.untilText("Cancelled");
  }],
  ["when it is closed", (page) => page.leave()],
];
for (const [how, end] of ENDS) {
  test(`the page cancels a push ${how}: no tag, no upload left open`, async () => {
    const registry = createRegistry();
    const uploading = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const open = new Set<string>();
    await using server = await serveRegistry({}, async (request) => {
      const { method, url } = request;
      if (method === "PUT" && url.includes("digest=")) {
        uploading.resolve();
        await held;
      }
      const response = await registry(request);
      const location = response.headers.get("location") ?? "";
      if (method === "POST") open.add(new URL(location, url).pathname);
      if (method === "DELETE") open.delete(new URL(url).pathname);
      if (method === "DELETE" && open.size === 0) cancelled.resolve();
      return response;
    });
    await using folder = await temporaryFolder();
    await using browser = await startBrowser();
    const page = await browser.open(`http://${server.host}/`);
    await push(page, await writeArchive(folder, [randomBytes(2 * MIB)]));
    await page.untilText("0 of 2 blobs");
    await uploading.promise;
    assert(open.size > 0);
    await end(page);
    await cancelled.promise;
    assertEquals([...open], []);
    release();
    assertEquals((await registry(new Request("http://r/v2/team/app/manifests/1.0"))).status, 404);
  }, { skip });
}

test(
  "the page pushes below a prefix, and shows the registry, what is no image, and no date",
  async () => {
    await using server = await serveRegistry();
    await using folder = await temporaryFolder();
    const layout = new OciLayout();
    const created = "0001-01-01T00:00:00Z";
    const child = await layout.image(await makeImage(["a"], { config: { created } }));
    layout.add(await layout.indexOf([withPlatform(child, "linux/amd64")]), { ref: "one" });
    layout.add(await layout.artifact("b", "application/vnd.example"), { ref: "artifact" });
    const tar = await folder.write("app.tar", writeTar(layout.entries()));
    await using browser = await startBrowser();
    const page = await browser.open(`http://${server.host}/`);
    await push(page, tar, { registry: `http://${server.host}/team` });
    await page.untilText("Pushed in");
    await page.untilText("team/app");
    await page.evaluate('location.hash = "#/team/app"');
    await page.untilText("1 platform ");
    assert(!(await page.text()).includes("Jan 1"), await page.text());
    await page.evaluate('location.hash = "#/team/app:artifact"');
    await page.untilText(`oras pull --plain-http ${server.host}/team/app:artifact`);
    assertEquals(page.errors, []);
  },
  { skip },
);

test("the page of a gateway pushes through it", async () => {
  const registry = createRegistry();
  await using target = await serve(registry);
  const gateway = createGateway({ allow: [`http://${target.host}`], page: await readPage() });
  let uploads = 0;
  await using server = await serve((request) => {
    if (request.method === "PUT") uploads++;
    return gateway(request);
  });
  await using folder = await temporaryFolder();
  const tar = await writeArchive(folder, ["one", randomBytes(3 * MIB)]);
  await using browser = await startBrowser();
  const page = await browser.open(`http://${server.host}/`);
  assert(!(await page.text()).includes("In the registry"));
  await page.chooseFile(tar);
  await page.untilText("Name and tag");
  await page.fill("Name and tag", "team/app:1.0, team/app:2.0, other:1");
  await page.click("Push");
  await page.untilText("Pushed in");
  assertEquals(uploads, 1);
  assertEquals(await allTags(registry), ["other:1", "team/app:1.0", "team/app:2.0"]);
  const [digest] = DIGEST.exec(await page.text()) ?? [];
  const stored = await registry(new Request("http://r/v2/team/app/manifests/1.0"));
  assertEquals(stored.headers.get("docker-content-digest"), digest);

  await page.chooseFile(await folder.write("no.tar", new Uint8Array(2048)));
  await page.until('document.querySelector("[role=alert]")');
}, { skip });

test(
  "the page pushes some platforms of an index, and several images under several names",
  async () => {
    const registry = createRegistry();
    await using server = await serveRegistry({}, registry);
    await using folder = await temporaryFolder();
    const layout = new OciLayout();
    const platforms = ["linux/amd64", "linux/arm64", "linux/s390x"];
    const children = await Promise.all(
      platforms.map(async (platform) =>
        withPlatform(await layout.image(await makeImage([platform], { platform })), platform)
      ),
    );
    layout.add(await layout.indexOf(children), { ref: "multi" });
    const other = await makeImage(["other"]);
    layout.add(await layout.image(other), { ref: "other" });
    const tar = await folder.write("my Images.tar", writeTar(layout.entries()));
    await using browser = await startBrowser();
    const page = await browser.open(`http://${server.host}/`);
    await page.chooseFile(tar);
    await page.untilText("linux/s390x");
    await page.evaluate(`[...document.querySelectorAll("label.check")]
    .find((at) => at.innerText.trim() === "linux/s390x").click()`);
    const names = await page.evaluate(
      `[...document.querySelectorAll("label.field input")].map((at) => at.value)`,
    );
    assertEquals((names as string[]).slice(0, 2), ["my-images:multi", "my-images:other"]);
    await page.fill("Name and tag", "all/apps:1, all/apps:latest");
    await page.click("Push");
    await page.untilText("Pushed in");
    const read = async (path: string) =>
      await (await registry(new Request(`http://r/v2/${path}`))).json();
    assertEquals((await read("all/apps/manifests/1")).manifests.length, 2);
    assertEquals((await read("all/apps/tags/list")).tags, ["1", "latest"]);
    assertEquals((await read("my-images/tags/list")).tags, ["other"]);
  },
  { skip },
);

/** Counts how often a page reads of a file: each time takes a browser about as long as a request. */
const COUNT_READS = `window.reads = 0;
  for (const name of ["arrayBuffer", "stream"]) {
    const read = Blob.prototype[name];
    Blob.prototype[name] = function () { reads++; return read.call(this); };
  }`;

test("the page reads an archive of many images once, plain or compressed", async () => {
  const registry = createRegistry();
  await using server = await serveRegistry({}, registry);
  await using folder = await temporaryFolder();
  const tar = await manyImages(50);
  await using browser = await startBrowser();
  for (const [name, bytes] of [["many.tar", tar], ["many.tar.gz", await gzip(tar)]] as const) {
    const page = await browser.open("about:blank#");
    await page.runBefore(COUNT_READS);
    await page.go(`http://${server.host}/`);
    await page.chooseFile(await folder.write(name, bytes));
    await page.untilText("Checked: every digest is right");
    await page.fill("Registry", `${server.host}/${name.replaceAll(".", "-")}`);
    await page.click("Push");
    await page.untilText("Pushed in");
    assert(!(await page.text()).includes("looking"), await page.text());
    const reads = Number(await page.evaluate("reads"));
    assert(reads < 20, `${name} was read ${reads} times`);
    assertEquals(page.errors, []);
  }
  const answer = await registry(new Request("http://r/v2/_catalog"));
  assertEquals((await answer.json()).repositories.length, 100);
}, { skip });

/** What sticks out of the card that it is in. */
const OUTSIDE = `[...document.querySelectorAll(".card *")].filter((element) => {
  const card = element.closest(".card").getBoundingClientRect();
  const { right, width } = element.getBoundingClientRect();
  return width > 1 && right > card.right && !element.closest(".scroll, .blobs");
}).map((element) => element.outerHTML.slice(0, 80)).join()`;

test(
  "the page fits a small phone whose text is twice as large, and has bars in forced colors",
  async () => {
    await using server = await serveRegistry();
    await using folder = await temporaryFolder();
    const long = `team/${"long-name-".repeat(8)}app:${"1.2.3-".repeat(12)}`;
    const image = await makeImage(["one", "two"]);
    const tar = writeTar(dockerSave([{ image, repoTags: ["app:1", `${long}rc`] }]));
    await using browser = await startBrowser();
    const page = await browser.open(`http://${server.host}/`, {
      ...{ width: 320, height: 700 },
      scheme: "light",
    });
    await page.evaluate('document.documentElement.style.fontSize = "200%"');
    await push(page, await folder.write("app.tar", tar));
    await page.untilText("Pushed in");
    assertEquals(await page.evaluate(OUTSIDE), "");
    assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 320);
    await page.forceColors();
    const bars = 'getComputedStyle(document.querySelector("progress")).forcedColorAdjust';
    await page.until(`matchMedia("(forced-colors: active)").matches && ${bars} === "none"`);
  },
  { skip },
);

test(
  "the page shows a part of many images, finds others by name, and pushes what is chosen",
  async () => {
    const registry = createRegistry();
    await using server = await serveRegistry({}, registry);
    await using folder = await temporaryFolder();
    await using browser = await startBrowser();
    const page = await browser.open(`http://${server.host}/`);
    await page.chooseFile(await folder.write("many.tar", await manyImages(230)));
    await page.untilText("230 of 230 images will be pushed");
    const shown = () => page.evaluate('document.querySelectorAll(".images li").length');
    assertEquals(await shown(), 20);
    await page.click("Show 100 more images");
    assertEquals(await shown(), 120);
    // Who has no mouse goes on where the new ones begin.
    const focused = 'document.activeElement.closest("li").innerText.includes("service-20:")';
    assertEquals(await page.evaluate(focused), true);

    await page.click("Choose none");
    await page.fill("Filter 230 images", "E-22");
    await page.until('document.querySelectorAll(".images li").length === 11');
    await page.click("Choose these");
    await page.untilText("11 of 230 images will be pushed");
    await page.fill("Filter 230 images", "service-0");
    await page.evaluate('document.querySelector(".images li input").click()');
    await page.untilText("12 of 230 images will be pushed");
    await page.evaluate('document.querySelector(".images summary").click()');
    await page.fill("Name and tag", "other/name:2");
    // Enter in the filter of a form sends nothing.
    await page.evaluate('document.querySelector("input[type=search]").focus()');
    await page.press("Enter");
    await page.click("Push");
    await page.untilText("Pushed in");
    const answer = await registry(new Request("http://r/v2/_catalog"));
    const { repositories } = await answer.json();
    assertEquals(repositories.length, 12);
    assert(repositories.includes("other/name") && repositories.includes("team/service-229"));
    assertEquals(page.errors, []);
  },
  { skip },
);

test(
  "the page pushes nothing of an index without a platform, and no two images to one name",
  async () => {
    await using server = await serveRegistry();
    await using folder = await temporaryFolder();
    const layout = new OciLayout();
    const children = await Promise.all(
      ["linux/amd64", "linux/arm64"].map(async (platform) =>
        withPlatform(await layout.image(await makeImage([platform], { platform })), platform)
      ),
    );
    layout.add(await layout.indexOf(children), { ref: "multi" });
    layout.add(await layout.image(await makeImage(["other"])), { ref: "other" });
    const tar = await folder.write("app.tar", writeTar(layout.entries()));
    await using browser = await startBrowser();
    const page = await browser.open(`http://${server.host}/`);
    await page.chooseFile(tar);
    await page.untilText("linux/arm64");
    const boxes = 'document.querySelectorAll("fieldset.chips input")';
    await page.evaluate(`${boxes}.forEach((box) => box.click())`);
    await page.click("Push");
    await page.untilText("Choose a platform of multi");
    await page.evaluate(`${boxes}.forEach((box) => box.click())`);
    await page.fill("Name and tag", "app:other");
    await page.click("Push");
    await page.untilText(`Cannot push to ${server.host}/app:other`);
    assertEquals((await fetch(`http://${server.host}/v2/app/tags/list`)).status, 404);
    assertEquals(page.errors, []);
  },
  { skip },
);

test(
  "the page can be used by those who see or point badly: axe finds nothing, keys reach everything",
  async () => {
    const axe = await Deno.readTextFile(
      new URL("../../node_modules/axe-core/axe.min.js", import.meta.url),
    );
    await using server = await serveRegistry({ allowDelete: true });
    await using folder = await temporaryFolder();
    const tar = await writeArchive(folder, ["one", "two"]);
    await using browser = await startBrowser();
    const page = await browser.open(`http://${server.host}/`);
    await page.evaluate(`${axe}; undefined`);
    await page.untilText("It holds nothing yet");
    await checkAccess(page, "start");

    // The file field comes first, without a mouse.
    await page.press("Tab");
    assertEquals(await page.evaluate("document.activeElement.type"), "file");
    await page.chooseFile(tar);
    await page.untilText("Checked");
    await checkAccess(page, "chosen");
    await tabTo(page, "Push");
    await page.press("Enter");
    await page.untilText("Pushed in");
    await page.untilText("team/app");
    await checkAccess(page, "pushed");
    await tabTo(page, "team/app");
    await page.press("Enter");
    await page.until('document.activeElement.innerText === "team/app"');
    await checkAccess(page, "tags");
    await page.evaluate('location.hash = "#/team/app:1.0"');
    await page.untilText(`docker pull ${server.host}`);
    await page.evaluate('document.querySelectorAll("details").forEach((at) => at.open = true)');
    await checkAccess(page, "image");
    await page.click("Delete tag 1.0");
    await checkAccess(page, "question");
    await page.press("Escape");
    await page.chooseFile(await folder.write("broken.tar", new Uint8Array(3000)));
    await page.until('document.querySelector("[role=alert]")');
    await checkAccess(page, "failure");

    await page.chooseFile(await folder.write("many.tar", await manyImages(120)));
    await page.untilText("Checked");
    await page.evaluate('document.querySelector(".images summary").click()');
    await checkAccess(page, "many images");
    await page.click("Push");
    await page.untilText("Pushed in");
    await checkAccess(page, "many names");

    await using alone = await servePageAlone();
    const stranger = await browser.open(`http://${alone.host}/`);
    await stranger.evaluate(`${axe}; undefined`);
    await push(stranger, tar, { registry: server.host });
    await stranger.untilText("Access-Control-Allow-Origin");
    await checkAccess(stranger, "header lines");
  },
  { skip },
);

/** An archive of one image, `team/app:1.0`. */
async function writeArchive(
  folder: TemporaryFolder,
  contents: readonly (string | Uint8Array)[],
): Promise<string> {
  const layers = await Promise.all(contents.map(async (content) => {
    const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return await makeLayer(writeTar([{ path: "file", body }]));
  }));
  const entries = dockerSave([{ image: await makeImage(layers), repoTags: ["team/app:1.0"] }]);
  return await folder.write("app.tar", writeTar(entries));
}

/** Images that share their layers, `team/service-0:1.0` and so on. */
async function manyImages(number: number): Promise<Bytes> {
  const layers = await Promise.all(["base", "app"].map((text) => makeLayer(text)));
  const images = Array.from({ length: number }, async (_, at) => ({
    image: await makeImage(layers, { config: { author: `${at}` } }),
    repoTags: [`team/service-${at}:1.0`],
  }));
  return writeTar(dockerSave(await Promise.all(images), { repeated: "same" }));
}

/** Chooses an archive and pushes it. */
async function push(
  page: Tab,
  tar: string,
  { registry }: { registry?: string } = {},
): Promise<void> {
  await page.chooseFile(tar);
  await page.untilText("Name and tag");
  if (registry !== undefined) await page.fill("Registry", registry);
  await page.click("Push");
}

/** The page as a server gives it that has nothing else. */
function servePageAlone(): Promise<AsyncDisposable & { host: string }> {
  return serve(async (request) => servePage(request, await readPage(), {}));
}

/** The page with a registry behind it. */
function serveRegistry(
  options: RegistryOptions = {},
  registry: FetchHandler = createRegistry(options),
): Promise<AsyncDisposable & { host: string }> {
  const { readOnly = false, allowDelete = false } = options;
  const settings: PageSettings = { registry: { readOnly, allowDelete } };
  return serve(async (request) => {
    const isPage = new URL(request.url).pathname === "/";
    return isPage ? servePage(request, await readPage(), settings) : await registry(request);
  });
}

async function checkAccess(page: Tab, state: string): Promise<void> {
  for (const view of VIEWS) {
    await page.show(view);
    const found = await page.evaluate(`axe.run(document, { resultTypes: ["violations"] }).then(
      ({ violations }) => violations.map(({ id, nodes }) =>
        id + ": " + nodes.map(({ html, failureSummary }) => html + " " + failureSummary).join("; ")))`);
    assertEquals(found, [], `${state}, ${view.width} px, ${view.scheme}`);
    const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assert(Number(wide) <= 0, `${state}: ${wide} px too wide at ${view.width}`);
  }
  const [view] = VIEWS;
  if (view) await page.show(view);
}

/** Presses Tab until something that is called so has the focus. */
async function tabTo(page: Tab, name: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    const text = await page.evaluate("document.activeElement.innerText ?? ''");
    if (String(text).trim() === name) return;
    await page.press("Tab");
  }
  throw new Error(`No Tab leads to ${name}`);
}
