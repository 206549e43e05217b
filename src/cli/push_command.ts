import type { PushOptions } from "../push/options.ts";
import { pushImage, type PushResult } from "../push/push.ts";
import type { Host } from "../runtime/host.ts";
import type { PushCommand } from "./args.ts";
import { EXIT, failureDocument, pushedBefore } from "./failure.ts";
import { openInput } from "./input.ts";
import { UsageError } from "./options.ts";
import { jsonText, printable, resultLine } from "./render.ts";
import { createReporter, type Reporter } from "./reporter.ts";

const PIPE_EXAMPLE = "docker save IMAGE | tarpush push - REFERENCE";

/** `tarpush push`: pushes, shows how it goes, and prints each name as soon as it stands. */
export async function runPush(
  command: PushCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  if (command.targets.length === 0) return await refuseWithoutTarget(command, host);
  const options = await toPushOptions(command, host);
  await using input = await openInput(command.source, host, PIPE_EXAMPLE);
  const reporter = await createReporter(host, command);
  signal.addEventListener("abort", () => {
    reporter.note("Stopping; Ctrl-C again ends at once");
  }, { once: true });
  try {
    const result = await pushImage(input.source, command.targets, {
      ...options,
      signal,
      onEvent: (event) => reporter.handle(event),
    });
    await showResult(command, host, reporter, result);
    return EXIT.done;
  } catch (error) {
    await reporter.finish();
    if (command.json) {
      const document = { images: pushedBefore(error), error: failureDocument(error) };
      await host.stdout.write(`${jsonText(document)}\n`);
    }
    throw error;
  }
}

async function showResult(
  command: PushCommand,
  host: Host,
  reporter: Reporter,
  result: PushResult,
): Promise<void> {
  if (command.dryRun) {
    for (const { reference, digest } of result.images) {
      await reporter.note(`would push ${resultLine(reference, digest)}`);
    }
  }
  await reporter.finish(command.dryRun ? undefined : result.milliseconds);
  if (command.json) await host.stdout.write(`${jsonText(result)}\n`);
  if (command.digestfile === undefined || command.dryRun) return;
  const digests = new Set(result.images.map(({ digest }) => digest));
  await host.writeTextFile(
    command.digestfile,
    [...digests].map((digest) => `${digest}\n`).join(""),
  );
}

async function toPushOptions(command: PushCommand, host: Host): Promise<PushOptions> {
  const { concurrency, retries, chunkSize, timeoutSeconds, ca, insecure } = command;
  const options: PushOptions = {
    images: command.images,
    platforms: command.platforms,
    allTags: command.allTags,
    rename: command.rename,
    verify: command.verify,
    dryRun: command.dryRun,
    mountFrom: command.mountFrom,
    plainHttp: command.plainHttp,
  };
  if (concurrency !== undefined) options.concurrency = concurrency;
  if (retries !== undefined) options.retry = { attempts: retries + 1 };
  if (chunkSize !== undefined) options.chunkSize = chunkSize;
  if (timeoutSeconds !== undefined) options.timeouts = { idle: timeoutSeconds * 1000 };
  if (ca !== undefined || insecure) {
    options.fetch = host.fetchWith({ ca: ca && await readCertificates(ca, host), insecure });
  }
  return options;
}

async function readCertificates(path: string, host: Host): Promise<string> {
  const text = await host.readTextFile(path);
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new UsageError(
    `Cannot use ${JSON.stringify(path)} as root certificates: it has no PEM certificate`,
  );
}

/** Wrong usage, but the archive can tell what to type. */
async function refuseWithoutTarget({ source }: PushCommand, host: Host): Promise<never> {
  const message = "No target given, expected a reference such as localhost:5000/team/app:1.0";
  if (source === "-") throw new UsageError(message, `tarpush push ${source} REFERENCE`);
  const { openArchive } = await import("../push/open_archive.ts");
  await using input = await openInput(source, host, PIPE_EXAMPLE);
  const { images } = await openArchive(input.source);
  const names = images.flatMap((image) => image.names);
  const tags = images.flatMap((image) => image.tags);
  if (names.length + tags.length === 0) {
    throw new UsageError(message, `tarpush push ${source} REFERENCE`);
  }
  const lines = [...names, ...tags].map((name) => `  ${printable(name)}\n`).join("");
  await host.stderr.write(`${printable(source)} holds:\n${lines}`);
  throw new UsageError(
    message,
    names.length > 0
      ? `tarpush push ${source} HOST[:PORT] keeps these names`
      : `tarpush push ${source} HOST[:PORT]/REPOSITORY --all-tags keeps these tags`,
  );
}
