// A registry inside a test: a fetch handler, no socket, no container, nothing to clean up.
import { pushImage } from "@tarpush/tarpush";
import { openFile } from "@tarpush/tarpush/runtime";
import { createRegistry } from "@tarpush/tarpush/registry";

const registry = createRegistry();

// The code under test gets the registry as its `fetch` ...
await using file = await openFile(new URL("../tests/fixtures/podman-oci.tar", import.meta.url));
const { images } = await pushImage(file, "registry.test/team/app:1.0", { fetch: registry });

// ... and the test looks at what it left there.
const response = await registry(
  new Request("https://registry.test/v2/team/app/manifests/1.0", {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  }),
);
if (response.status !== 200) throw new Error(`the tag is missing: ${response.status}`);
if (response.headers.get("docker-content-digest") !== images[0]?.digest) {
  throw new Error("the tag names something else");
}
console.log("the tag names what was pushed");
