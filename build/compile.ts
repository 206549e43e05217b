/**
 * `deno task compile [--all]`: writes `dist/bin/tarpush`, one file that needs no runtime; with `--all` one for each
 * platform, with their checksums.
 *
 * `bun build --compile` makes them: 93 to 119 MB, of which all but 5 are Bun, and less than 0.01 s from start to `--version`,
 * because the code is stored compiled. Deno takes 0.06 s to load the program, and `deno compile` needs a runtime from its
 * own site for each platform, where Bun's come from npm.
 */
import { emptyFolder, ROOT, run } from "./project.ts";

const FOLDER = `${ROOT}dist/bin`;

/** Name of a platform, as people say it, and Bun's. Those of x64 run on processors without AVX2 too. */
const PLATFORMS: readonly [string, string][] = [
  ["linux-x64", "bun-linux-x64-baseline"],
  ["linux-arm64", "bun-linux-arm64"],
  ["macos-x64", "bun-darwin-x64-baseline"],
  ["macos-arm64", "bun-darwin-arm64"],
  ["windows-x64.exe", "bun-windows-x64-baseline"],
  ["windows-arm64.exe", "bun-windows-arm64"],
];

async function main(): Promise<void> {
  await emptyFolder(FOLDER);
  if (!Deno.args.includes("--all")) {
    const end = Deno.build.os === "windows" ? ".exe" : "";
    return console.log(await compile(`${FOLDER}/tarpush${end}`, []));
  }
  const sums: string[] = [];
  for (const [platform, target] of PLATFORMS) {
    const path = await compile(`${FOLDER}/tarpush-${platform}`, [`--target=${target}`]);
    sums.push(`${await sha256(path)}  tarpush-${platform}\n`);
    console.log(path);
  }
  await Deno.writeTextFile(`${FOLDER}/SHA256SUMS`, sums.join(""));
}

async function compile(path: string, target: readonly string[]): Promise<string> {
  const [command = "", ...args] = await bunCommand();
  await run(command, [
    ...[...args, "build", "--compile", "--minify", "--bytecode", "--format=esm", ...target],
    // Files that happen to lie where the program is started are no configuration of it.
    ...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
    ...["--outfile", path, "src/cli/main.ts"],
  ]);
  return path;
}

async function sha256(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return new Uint8Array(digest).toHex();
}

/** Bun from PATH, else from npm. */
async function bunCommand(): Promise<string[]> {
  const isThere = await run("bun", ["--version"]).then(() => true, () => false);
  if (isThere) return ["bun"];
  return [Deno.build.os === "windows" ? "npx.cmd" : "npx", "-y", "bun@1"];
}

await main();
