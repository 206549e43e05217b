import { OciError } from "../errors.ts";

/** What the child answers to as it does to Ctrl-C: see {@linkcode countInterrupts}. */
const PASSED_ON: Deno.Signal = "SIGUSR1";

/**
 * Runs the program again as a child whose Deno accepts every certificate of some hosts: that can be said on its command
 * line alone, not by code. Standard streams, arguments, rights and environment are those of this process.
 *
 * @param hosts Names or addresses of the hosts, without ports.
 * @param input What the child gets piped in, in place of what this process has.
 * @throws {OciError} If this process may not start a child like itself; the hint tells what to type.
 */
export async function restartTrusting(hosts: readonly string[], input?: string): Promise<number> {
  // Without a host it would accept all.
  const trust = hosts.length > 0 ? [`--unsafely-ignore-certificate-errors=${hosts.join(",")}`] : [];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...await ownRights(trust),
      ...trust,
      Deno.mainModule,
      ...withoutInsecure(Deno.args),
    ],
    stdin: input === undefined ? "inherit" : "piped",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  let isInterrupted = false;
  const release = listen(interruptSignals(), () => {
    isInterrupted = true;
    passOn(child);
  });
  if (input !== undefined) await pipeIn(child, input);
  const { code, signal } = await child.status;
  release();
  // Ended before it listened: the answer to Ctrl-C all the same.
  return isInterrupted && signal === PASSED_ON ? 130 : code;
}

async function pipeIn({ stdin }: Deno.ChildProcess, input: string): Promise<void> {
  try {
    await new Blob([input]).stream().pipeTo(stdin);
  } catch {
    // It has ended, or needs no more of it.
  }
}

/** Signals that ask a program to end. */
function interruptSignals(): Deno.Signal[] {
  return Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
}

/**
 * Calls `handler` at every interrupt. Ctrl-C in a terminal reaches a parent and its child, `kill` only the parent, which
 * passes on what it gets: the two ways are counted apart, and the larger count is that of the interrupts.
 *
 * @returns What takes it back.
 */
export function countInterrupts(handler: () => void): () => void {
  let own = 0;
  let passedOn = 0;
  const releaseOwn = listen(interruptSignals(), () => {
    if (++own > passedOn) handler();
  });
  if (Deno.build.os === "windows") return releaseOwn;
  const releasePassedOn = listen([PASSED_ON], () => {
    if (++passedOn > own) handler();
  });
  return () => {
    releaseOwn();
    releasePassedOn();
  };
}

function listen(signals: readonly Deno.Signal[], handler: () => void): () => void {
  for (const signal of signals) Deno.addSignalListener(signal, handler);
  return () => signals.forEach((signal) => Deno.removeSignalListener(signal, handler));
}

function passOn(child: Deno.ChildProcess): void {
  // On Windows every process of a console gets its Ctrl-C, and another signal would end the child at once.
  if (Deno.build.os === "windows") return;
  try {
    child.kill(PASSED_ON);
  } catch {
    // It has ended meanwhile.
  }
}

const RIGHTS = ["read", "write", "net", "env", "run", "sys", "ffi", "import"] as const;
/** Without these, whole, a child cannot do what this process could, or not be started. */
const NEEDED: readonly string[] = ["run", "net", "read"];

/** Flags that give a child the rights that this process has, and no others. */
async function ownRights(trust: readonly string[]): Promise<string[]> {
  if (Deno.build.standalone) throw cannot("a compiled program takes no flags of Deno", trust);
  const flags: string[] = [];
  for (const name of RIGHTS) {
    // Which files or hosts a right is limited to cannot be asked.
    const { state, partial } = await Deno.permissions.query({ name });
    if (state === "granted" && !partial) flags.push(`--allow-${name}`);
    else if (NEEDED.includes(name)) throw cannot(`without --allow-${name}`, trust);
  }
  return flags;
}

function cannot(reason: string, trust: readonly string[]): OciError {
  return new OciError(
    `Cannot start Deno again with its own flag for --insecure: ${reason}`,
    {
      hint: ["leave out --insecure", ...trust.map((flag) => `start with: deno run ${flag} ...`)]
        .join(" and "),
    },
  );
}

function withoutInsecure(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.filter((arg, index) => arg !== "--insecure" || (end >= 0 && index > end));
}
