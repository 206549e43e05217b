import { assertEquals, assertStringIncludes } from "@std/assert";
import { sniffCompression } from "../../src/codec/magic.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { serve } from "../end_to_end/registry_server.ts";
import { dockerSave, makeImage, makeLayer } from "../helpers/archives.ts";
import { chromium, startBrowser } from "../helpers/browser.ts";
import { readBack } from "../helpers/expected.ts";
import { runWell, temporaryFolder, toPath } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const ROOT = toPath(new URL("../../", import.meta.url));
const MIB = 1024 * 1024;
const skip = "Deno" in globalThis ? chromium.skip : "the library is the same; it is tried on Deno";

/** No workers, and nothing may be compiled. */
const STRICT = "default-src 'self'; worker-src 'none'";

test("pushImage() in a browser compresses, whatever the policy of the page allows", async () => {
  const registry = createRegistry();
  const image = await makeImage([
    await makeLayer(writeTar([{ path: "file", body: new Uint8Array(3 * MIB).fill(7) }])),
  ]);
  const tar = writeTar(dockerSave([{ image, repoTags: ["app:1"] }]));
  const script = await bundle();
  await using server = await serve(async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/main.js") {
      return new Response(script, { headers: { "content-type": "text/javascript" } });
    }
    if (pathname === "/image.tar") return new Response(tar);
    if (pathname.startsWith("/v2/")) return await registry(request);
    const headers = new Headers({ "content-type": "text/html" });
    if (pathname === "/strict") headers.set("content-security-policy", STRICT);
    return new Response('<script type="module" src="/main.js"></script>', { headers });
  });
  await using browser = await startBrowser();
  const push = async (page: string, kind: string) => {
    const tab = await browser.open(`http://${server.host}${page}`);
    await tab.until("globalThis.push");
    return String(await tab.evaluate(`push("${kind}", "${page.slice(1) || "free"}")`));
  };
  const kindOf = async (repository: string) => {
    const { layers: [layer] } = await readBack(registry, repository, "1");
    return layer && sniffCompression(layer.bytes);
  };
  for (const kind of ["gzip", "zstd"]) {
    assertEquals(await push("/", kind), "pushed");
    assertEquals(await kindOf("free"), kind);
  }
  assertEquals(await push("/strict", "gzip"), "pushed");
  assertEquals(await kindOf("strict"), "gzip");
  assertStringIncludes(await push("/strict", "zstd"), "Cannot compress with zstd");
}, { skip });

/** A page's script: a push of the archive of its server, as a function of the page. */
async function bundle(): Promise<string> {
  await using folder = await temporaryFolder();
  await folder.write(
    "main.ts",
    `import { pushImage } from "${ROOT}mod.ts";
Object.assign(globalThis, {
  push: async (compression: "gzip" | "zstd", repository: string) => {
    const tar = await (await fetch("/image.tar")).blob();
    try {
      await pushImage(tar, location.origin + "/" + repository + ":1", { compression });
      return "pushed";
    } catch (error) {
      return String(error);
    }
  },
});`,
  );
  const files = ["-o", `${folder.path}/main.js`, `${folder.path}/main.ts`];
  const args = ["bundle", "-q", "--platform", "browser", ...files];
  await runWell(Deno.execPath(), args, { cwd: ROOT });
  return new TextDecoder().decode(await folder.read("main.js"));
}
