// A small image that runs: `FROM scratch`, one program that says hello, packed as `docker save` packed before version 25.

const GREETING = "hello from tarpush\n";
const encoder = new TextEncoder();

/** The image as a tar, and what a reader can compare. */
export async function makeImage(): Promise<{ tar: Blob; diffId: string; greeting: string }> {
  const layer = tarOf([{ name: "hello", mode: 0o755, body: makeProgram(GREETING) }]);
  const diffId = `sha256:${await sha256Hex(layer)}`;
  const config = encoder.encode(JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["/hello"] },
    rootfs: { type: "layers", diff_ids: [diffId] },
  }));
  const configName = `${await sha256Hex(config)}.json`;
  const layerName = `${await sha256Hex(encoder.encode(diffId))}/layer.tar`;
  const manifest = [{ Config: configName, RepoTags: ["demo/hello:1.0"], Layers: [layerName] }];
  const tar = tarOf([
    { name: layerName, body: layer },
    { name: configName, body: config },
    { name: "manifest.json", body: encoder.encode(JSON.stringify(manifest)) },
  ]);
  return { tar: new Blob([tar]), diffId, greeting: `its program says "${GREETING.trim()}"` };
}

type Bytes = Uint8Array<ArrayBuffer>;

async function sha256Hex(bytes: Bytes): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A ustar archive of files. */
function tarOf(files: readonly { name: string; mode?: number; body: Bytes }[]): Bytes {
  const blocks: Bytes[] = [];
  for (const { name, mode = 0o644, body } of files) {
    const header = new Uint8Array(512);
    const put = (text: string, at: number) => header.set(encoder.encode(text), at);
    const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
    put(name, 0);
    put(`${octal(mode, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100);
    put(`${octal(body.length, 11)}\0${octal(0, 11)}\0        0`, 124);
    put("ustar\x0000", 257);
    put(`${octal(header.reduce((sum, byte) => sum + byte, 0), 6)}\0 `, 148);
    blocks.push(header, body, new Uint8Array(-body.length & 511));
  }
  blocks.push(new Uint8Array(1024));
  const tar = new Uint8Array(blocks.reduce((size, block) => size + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    tar.set(block, at);
    at += block.length;
  }
  return tar;
}

/** An ELF program for x86-64 Linux that writes a text and ends. */
function makeProgram(text: string): Bytes {
  const message = encoder.encode(text);
  // write(1, message, length); exit(0)
  const code = new Uint8Array([
    ...[0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0],
    ...[0x48, 0x8d, 0x35, 16, 0, 0, 0],
    ...[0xba, message.length, 0, 0, 0, 0x0f, 0x05],
    ...[0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05],
  ]);
  const start = 64 + 56;
  const size = start + code.length + message.length;
  const program = new Uint8Array(size);
  const view = new DataView(program.buffer);
  const base = 0x400000n;
  program.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, base + BigInt(start), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  view.setBigUint64(80, base, true);
  view.setBigUint64(88, base, true);
  view.setBigUint64(96, BigInt(size), true);
  view.setBigUint64(104, BigInt(size), true);
  view.setBigUint64(112, 0x1000n, true);
  program.set(code, start);
  program.set(message, start + code.length);
  return program;
}
