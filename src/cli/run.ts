import { OciError } from "../errors.ts";
import type { Host } from "../runtime/host.ts";
import { parseCommand } from "./args.ts";
import type { Command } from "./command.ts";
import { runTrusting } from "./connection.ts";
import { EXIT } from "./exit.ts";

/**
 * Runs the program: reads the arguments, does what they ask, and tells how it went.
 *
 * The first interrupt lets what is under way come to an end; the second ends the process at once.
 *
 * @returns The exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 */
export async function run(host: Host): Promise<number> {
  try {
    const command = parseCommand(host.args);
    // A child takes the interrupts, too.
    return await runTrusting(command, host) ?? await runHere(command, host);
  } catch (error) {
    return await report(host, error);
  }
}

async function runHere(command: Command, host: Host): Promise<number> {
  const interrupt = new AbortController();
  const { signal } = interrupt;
  const release = host.onInterrupt(() => {
    if (signal.aborted) host.exit(EXIT.interrupted);
    interrupt.abort(new DOMException("Interrupted", "AbortError"));
  });
  try {
    return await dispatch(command, host, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    const isSending = (command.verb === "push" || command.verb === "copy") && !command.dryRun;
    const hint = isSending
      ? "run it again: what the registry has by now is not uploaded twice"
      : undefined;
    const isReason = error === signal.reason;
    await report(host, isReason ? new OciError("Interrupted", { hint, cause: error }) : error);
    return EXIT.interrupted;
  } finally {
    release();
  }
}

// Each command brings its own modules: a push does not wait for the registry to be loaded.
async function dispatch(command: Command, host: Host, signal: AbortSignal): Promise<number> {
  switch (command.verb) {
    case "help": {
      const { helpText } = await import("./help.ts");
      await host.stdout.write(helpText(command.topic));
      return EXIT.done;
    }
    case "version": {
      const { VERSION } = await import("./help.ts");
      await host.stdout.write(`tarpush ${VERSION}\n`);
      return EXIT.done;
    }
    case "push":
      return command.isMany
        ? (await import("./push_many_command.ts")).runPushMany(command, host, signal)
        : (await import("./push_command.ts")).runPush(command, host, signal);
    case "inspect":
      return (await import("./inspect_command.ts")).runInspect(command, host, signal);
    case "check":
      return (await import("./check_command.ts")).runCheck(command, host, signal);
    case "ping":
      return (await import("./ping_command.ts")).runPing(command, host, signal);
    case "ls":
      return (await import("./ls_command.ts")).runList(command, host, signal);
    case "info":
      return (await import("./info_command.ts")).runInfo(command, host, signal);
    case "rm":
      return (await import("./rm_command.ts")).runRemove(command, host, signal);
    case "copy":
      return command.isMany
        ? (await import("./copy_many_command.ts")).runCopyMany(command, host, signal)
        : (await import("./copy_command.ts")).runCopy(command, host, signal);
    case "save":
      return (await import("./save_command.ts")).runSave(command, host, signal);
    case "completions": {
      const { completionScript } = await import("./completions.ts");
      await host.stdout.write(completionScript(command.shell));
      return EXIT.done;
    }
    case "serve":
      return (await import("./serve_command.ts")).runServe(command, host, signal);
  }
}

/** Tells what went wrong; returns the exit code for it. */
async function report(host: Host, error: unknown): Promise<number> {
  const { exitCodeFor, failureLines } = await import("./failure.ts");
  const { choosePaint } = await import("./reporter.ts");
  const { linesText } = await import("./render.ts");
  const isDebug = host.args.includes("--debug");
  const lines = failureLines(error, await choosePaint(host, host.stderr), isDebug);
  await host.stderr.write(linesText(lines));
  return exitCodeFor(error);
}
