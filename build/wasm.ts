/**
 * `deno task wasm`: takes the WebAssembly of a decoder out of the npm package that carries it and writes it to
 * `src/codec/`. What that package wraps around it lets one stream wait for another; here every stream has a decoder of its
 * own.
 */
import { ROOT, writeFile } from "./project.ts";

/** A package that carries WebAssembly as base64 in a string. */
interface Carrier {
  /** The file that is written. */
  path: string;
  package: string;
  /** The file of the package that holds it. */
  file: string;
  what: string;
  /** Who made it, and what they ask for. */
  notices: string[];
}

/** The MIT licence. */
export const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`;

/** The BSD licence that libzstd is under. */
export const BSD = `Redistribution and use in source and binary forms, with or without modification,
are permitted provided that the following conditions are met:

 * Redistributions of source code must retain the above copyright notice, this
   list of conditions and the following disclaimer.

 * Redistributions in binary form must reproduce the above copyright notice,
   this list of conditions and the following disclaimer in the documentation
   and/or other materials provided with the distribution.

 * Neither the name Facebook nor the names of its contributors may be used to
   endorse or promote products derived from this software without specific
   prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR
ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES
(INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES;
LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON
ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
(INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS
SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.`;

const CARRIERS: readonly Carrier[] = [
  {
    path: "src/codec/xz_wasm.ts",
    package: "xz-decompress",
    file: "dist/package/xz-decompress.js",
    what: "XZ Embedded, by Lasse Collin and Igor Pavlov (public domain), and walloc",
    notices: ["Copyright (c) Steve Sanderson, Tim Perry; walloc (c) 2020 Igalia, S.L.", MIT],
  },
];

/** Compresses with gzip. */
export type Pack = (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

/** Compresses by 7% better than runtimes do; run by its exact version and no dependency of the project. */
const ZOPFLI = "npm:@gfx/zopfli@1.0.15";

/**
 * Makes the modules out of what the packages hold.
 *
 * @param pack Compresses the WebAssembly.
 * @returns Their text, by path.
 */
export async function makeWasmModules(pack: Pack): Promise<Map<string, string>> {
  const modules = new Map<string, string>();
  for (const carrier of CARRIERS) modules.set(carrier.path, await makeModule(carrier, pack));
  return modules;
}

async function makeModule(
  { package: name, file, what, notices }: Carrier,
  pack: Pack,
): Promise<string> {
  const folder = `${ROOT}node_modules/${name}`;
  const { version } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
  const code = await Deno.readTextFile(`${folder}/${file}`);
  // "\0asm" and version 1 as base64.
  const [, base64] = /["',](AGFzbQEAAAA[A-Za-z0-9+/]+=*)["']/.exec(code) ?? [];
  if (!base64) throw new Error(`Cannot find WebAssembly in ${name}/${file}: it holds none`);
  const title = `${what}, as the npm package ${name}@${version} carries it`;
  return moduleText(await pack(Uint8Array.fromBase64(base64)), title, notices);
}

/** The text of a file that carries WebAssembly, packed. */
export function moduleText(
  packed: Uint8Array,
  title: string,
  notices: readonly string[],
  task = "wasm",
): string {
  const notice = notices.join("\n\n").replaceAll(/^(?=.)/gm, " * ").replaceAll(/^$/gm, " *");
  return `// Written by \`deno task ${task}\`; do not edit.

/*!
 * ${title}.
 *
${notice}
 */

/** WebAssembly, compressed with gzip, as base64. */
export const WASM: string =
  "${packed.toBase64()}";
`;
}

/** Packs as small as it gets: base64 of what is compressed takes less of a package than what base64 leaves to compress. */
export async function packSmall(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const { gzipAsync } = await import(ZOPFLI);
  return await gzipAsync(bytes, { numiterations: 50 });
}

if (import.meta.main) {
  for (const [path, text] of await makeWasmModules(packSmall)) {
    await writeFile(ROOT + path, text);
    console.log(path);
  }
}
