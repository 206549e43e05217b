/**
 * `deno task picture`: makes `docs/push.svg`, the moving picture of README, of a real terminal: tmux runs the program against
 * a registry of this process that reads slowly, and every state of its screen becomes a frame.
 */
import { createRegistry } from "../src/server/mod.ts";
import { ROOT } from "./project.ts";

const COLUMNS = 104;
const ROWS = 17;
const PORT = 5000;
/** What a line of 240 Mbit/s carries. */
const BYTES_PER_SECOND = 30_000_000;
const FRAME_MILLISECONDS = 125;
const LAST_FRAME_MILLISECONDS = 4000;
const LINE_HEIGHT = 19;
const CHARACTER_WIDTH = 8.43;
const MARGIN = 16;
const LAYERS_MIB = [34, 21, 12, 6];
const MIB = 1024 * 1024;

const COMMANDS = [
  `tarpush push app.tar localhost:${PORT}/team/app:1.0`,
  `tarpush push app.tar localhost:${PORT}/team/app:latest`,
  `cat app.tar | tarpush push - localhost:${PORT}/copy:1.0 -q`,
];

/** A state of the screen, and how long it was seen. */
interface Frame {
  lines: string[];
  milliseconds: number;
}

async function main(): Promise<void> {
  const folder = await Deno.makeTempDir();
  const server = Deno.serve({ port: PORT, hostname: "127.0.0.1", onListen() {} }, slowRegistry());
  try {
    await writeArchive(`${folder}/app.tar`);
    const program = `#!/bin/sh\nexec ${Deno.execPath()} run -A ${ROOT}src/cli/main.ts "$@"\n`;
    await Deno.writeTextFile(`${folder}/tarpush`, program, { mode: 0o755 });
    const frames = await record(folder);
    await Deno.writeTextFile(`${ROOT}docs/push.svg`, draw(frames));
    console.log(`docs/push.svg: ${frames.length} frames`);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

/** A registry behind a line of its own speed, which all uploads share. */
function slowRegistry(): (request: Request) => Promise<Response> {
  const registry = createRegistry();
  let due = 0;
  return (request) => {
    const slow = request.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        async transform(piece, controller) {
          due = Math.max(due, performance.now()) + 1000 * piece.length / BYTES_PER_SECOND;
          await pause(Math.max(0, due - performance.now()));
          controller.enqueue(piece);
        },
      }),
    );
    return registry(slow ? new Request(request, { body: slow }) : request);
  };
}

async function writeArchive(path: string): Promise<void> {
  const { dockerSave, makeImage, makeLayer } = await import("../tests/helpers/archives.ts");
  const { writeTar } = await import("../tests/helpers/tar_writer.ts");
  const layers = LAYERS_MIB.map((size, at) => {
    const body = new Uint8Array(size * MIB);
    body[0] = at + 1;
    return makeLayer(writeTar([{ path: "file", body }]));
  });
  const image = await makeImage(await Promise.all(layers));
  await Deno.writeFile(path, writeTar(dockerSave([{ image, repoTags: ["team/app:1.0"] }])));
}

async function record(folder: string): Promise<Frame[]> {
  const session = `picture-${crypto.randomUUID()}`;
  const tmux = (...args: string[]) => run(["tmux", "-L", session, ...args], folder);
  const size = ["-x", `${COLUMNS}`, "-y", `${ROWS}`];
  await tmux("-f", "/dev/null", "new-session", "-d", ...size, "sh");
  try {
    await tmux("send-keys", `export PATH="${folder}:$PATH" PS1='$ '; clear`, "Enter");
    await pause(500);
    const frames: Frame[] = [];
    for (const command of COMMANDS) {
      for (const letter of command) {
        await tmux("send-keys", "-l", letter);
        if (letter === " ") await look(tmux, frames);
      }
      await look(tmux, frames);
      await tmux("send-keys", "Enter");
      // The prompt is back on a line of its own.
      for (let last = ""; last !== "$";) last = (await look(tmux, frames)).at(-1)?.trim() ?? "";
    }
    return frames;
  } finally {
    await tmux("kill-server");
  }
}

/** Adds what is on the screen; returns its lines down to the last that has something. */
async function look(
  tmux: (...args: string[]) => Promise<string>,
  frames: Frame[],
): Promise<string[]> {
  await pause(FRAME_MILLISECONDS);
  const lines = (await tmux("capture-pane", "-e", "-p")).trimEnd().split("\n");
  const last = frames.at(-1);
  if (last && last.lines.join("\n") === lines.join("\n")) {
    last.milliseconds += FRAME_MILLISECONDS;
  } else frames.push({ lines, milliseconds: FRAME_MILLISECONDS });
  return lines;
}

/** The frames as a film that moves up behind a window, one step a frame. */
function draw(frames: readonly Frame[]): string {
  const width = Math.ceil(COLUMNS * CHARACTER_WIDTH) + 2 * MARGIN;
  const height = ROWS * LINE_HEIGHT + 2 * MARGIN;
  const total = frames.reduce((sum, { milliseconds }) => sum + milliseconds, 0) +
    LAST_FRAME_MILLISECONDS;
  let time = 0;
  const steps = frames.map(({ milliseconds }, at) => {
    const start = (100 * time / total).toFixed(2);
    time += milliseconds;
    return `${start}%{transform:translateY(-${at * height}px)}`;
  });
  const film = frames.flatMap(({ lines }, at) =>
    lines.map((line, row) => drawLine(line, at * height + MARGIN + (row + 0.8) * LINE_HEIGHT))
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>tarpush pushes an image of 73 MiB, again under another tag, and from a pipe</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#e6edf3;white-space:pre}
.g{fill:#3fb950}.c{fill:#39c5cf}.y{fill:#d29922}.r{fill:#ff7b72}.d{fill:#8b949e}.b{font-weight:bold}
#film{animation:film ${(total / 1000).toFixed(2)}s step-end infinite}
@keyframes film{${steps.join("")}}
@media (prefers-reduced-motion:reduce){#film{animation:none;transform:translateY(-${
    (frames.length - 1) * height
  }px)}}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
<g id="film">
${film.filter(Boolean).join("\n")}
</g>
</svg>
`;
}

const CLASSES: Record<string, string> = {
  1: "b",
  2: "d",
  31: "r",
  32: "g",
  33: "y",
  36: "c",
  90: "d",
};

function drawLine(line: string, y: number): string {
  if (line.trim() === "") return "";
  let classes: string[] = [];
  const spans: string[] = [];
  // deno-lint-ignore no-control-regex
  for (const piece of line.trimEnd().split(/(\x1b\[[\d;]*m)/)) {
    // deno-lint-ignore no-control-regex
    const codes = /^\x1b\[([\d;]*)m$/.exec(piece)?.[1]?.split(";");
    if (codes) {
      for (const code of codes) {
        if (code === "" || code === "0") classes = [];
        else if (code === "39") classes = classes.filter((name) => name === "b");
        else if (CLASSES[code]) classes.push(CLASSES[code]);
      }
    } else if (piece !== "") {
      const text = piece.replace(/&/g, "&amp;").replace(/</g, "&lt;");
      spans.push(
        classes.length > 0 ? `<tspan class="${classes.join(" ")}">${text}</tspan>` : text,
      );
    }
  }
  return `<text x="${MARGIN}" y="${y.toFixed(0)}" xml:space="preserve">${spans.join("")}</text>`;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function run([command = "", ...args]: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd }).output();
  if (code === 0) return new TextDecoder().decode(stdout);
  throw new Error(`Cannot run ${command}: ${new TextDecoder().decode(stderr)}`);
}

await main();
