/**
 * `deno task page [--check]`: writes the web page, one file that holds all it needs, to `dist/page/index.html`, and the
 * same as a module for `tarpush serve` and the gateway; with `--check` it writes nothing and tells whether the module is
 * the page that the sources make.
 */
import { WASM as XZ } from "../src/codec/xz_wasm.ts";
import { WASM as ZSTD } from "../src/codec/zstd_wasm.ts";
import {
  esbuild,
  noticesOf,
  readNotices,
  rollup,
  ROOT,
  SHORT,
  shrink,
  writeFile,
} from "./project.ts";
import { importAtOnce } from "./imports.ts";
import { packSmall } from "./wasm.ts";

/** Two years of browsers. */
const TARGET = "--target=chrome123,firefox125,safari17.5";

/**
 * What is loaded on demand alone, and never by this page: its source is a file, it compresses nothing, and shares no blobs and no
 * tags with other pushes.
 */
const UNUSED = [
  ...["http_source", "folder", "watched_file", "watched_body", "known_length"],
  ...["compress_content", "compressing", "compressed_uploads", "inflate_again"],
  ...["share_blob", "claims"],
];

const PAGE = `${ROOT}dist/page/index.html`;
const MODULE = `${ROOT}src/edge/page_html.ts`;

async function main(): Promise<void> {
  const page = await build();
  const module = await toModule(page);
  if (Deno.args.includes("--check")) {
    if (await Deno.readTextFile(MODULE) === module) return;
    console.error("src/edge/page_html.ts is not what the sources make: run deno task page");
    Deno.exit(1);
  }
  await writeFile(PAGE, page);
  await writeFile(MODULE, module);
  console.log(`${PAGE} (${Math.ceil(new TextEncoder().encode(page).length / 1024)} KiB)`);
}

async function build(): Promise<string> {
  const [template, style, bundled] = await Promise.all([
    Deno.readTextFile(`${ROOT}page/index.html`),
    minify("page/style.css"),
    bundle(),
  ]);
  const script = [
    await shrink(bundled),
    noticesOf(bundled),
    await readNotices(),
  ].join("\n");
  if (/(?<!import)\("\.\/\w+\.ts"\)/.test(script)) {
    throw new Error("Cannot leave out a file that is not loaded on demand");
  }
  const policy = [
    "default-src 'none'",
    `script-src '${await sourceHash(script)}' 'wasm-unsafe-eval'`,
    `style-src '${await sourceHash(style)}'`,
    "img-src data:",
    "connect-src *",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return template.replace(/\n\s*/g, "\n")
    .replace("POLICY", policy)
    .replace(/(?<=<style>)[^<]*/, () => style)
    .replace(/(?<=<script>)[^<]*/, () => script);
}

/** One script: a file for each thing that is loaded on demand, as esbuild makes them, and all of them in one, as it does not. */
async function bundle(): Promise<string> {
  const made = await Deno.makeTempDir();
  try {
    await minify(
      "page/main.ts",
      ...["--bundle", "--splitting", "--format=esm", "--legal-comments=inline"],
      ...[`--outdir=${made}`, `--outbase=${ROOT}page`],
      ...UNUSED.map((name) => `--external:*/${name}.ts`),
      // Of that package the page needs two of twenty parts.
      `--alias:hash-wasm=${ROOT}page/hash_wasm.js`,
    );
    const main = `${made}/main.js`;
    const bundled = await rollup({
      input: { main },
      external: isUnused,
      plugins: [importAtOnce(isUnused)],
      treeshake: { moduleSideEffects: (path) => path === main },
    });
    const { output: [{ code }] } = await bundled.generate({
      ...SHORT,
      format: "iife",
      inlineDynamicImports: true,
    });
    return code;
  } finally {
    await Deno.remove(made, { recursive: true });
  }
}

function isUnused(path: string): boolean {
  return UNUSED.some((name) => path.endsWith(`/${name}.ts`));
}

async function minify(path: string, ...args: string[]): Promise<string> {
  return (await esbuild([path, "--minify", TARGET, "--charset=utf8", ...args])).trim();
}

/** What a policy names an inline script or style by. */
async function sourceHash(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${new Uint8Array(hash).toBase64()}`;
}

/** The page as a module, packed; what the package has elsewhere is taken from there. */
async function toModule(page: string): Promise<string> {
  const [hash] = /AGFzbQEAAAA[\w+/]+=*/.exec(page) ?? [];
  if (!hash) throw new Error("Cannot pack the page: it has no WebAssembly that hashes");
  const text = page.replace(XZ, "XZ_WASM").replace(ZSTD, "ZSTD_WASM").replace(hash, "HASH_WASM");
  // Bytes are packed smaller than base64 of them; these begin with a zero, which the text has none of.
  const content = new Blob([text, Uint8Array.fromBase64(hash)]);
  const packed = await packSmall(new Uint8Array(await content.arrayBuffer()));
  return `// Made by \`deno task page\` of the files in page/; not to be edited.

/** The web page in gzip and base64, without the decoders of src/codec/, and after it the WebAssembly that hashes. */
export const PACKED_PAGE: string =
  "${packed.toBase64()}";
`;
}

await main();
