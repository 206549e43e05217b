import { type Digest, type DigestAlgorithm, toDigest } from "../../digest.ts";
import { OciError } from "../../errors.ts";
import { createHash, type IncrementalHash } from "../../incremental_hash.ts";

/** What makes an `openssl` or a `sha256sum` of a digest's algorithm say it of a file. */
const COMMANDS: Record<DigestAlgorithm, readonly { program: string; args: readonly string[] }[]> = {
  sha256: [
    { program: "openssl", args: ["dgst", "-sha256", "-r"] },
    { program: "sha256sum", args: ["--"] },
  ],
  sha512: [
    { program: "openssl", args: ["dgst", "-sha512", "-r"] },
    { program: "sha512sum", args: ["--"] },
  ],
};

/**
 * A hash of a file that is being written, made when it is whole by a program of the system that may be run. Deno's own hash
 * takes a blob in one piece only, and that of WebAssembly 4 s of the thread that answers requests for each GiB: openssl
 * takes 0.6 s of another one, sha256sum 2 s. Where there is none, the hash is that of WebAssembly, made on the way.
 *
 * @param path The file.
 * @param algorithm The hash.
 */
export async function hashGrowingFile(
  path: string,
  algorithm: DigestAlgorithm,
): Promise<IncrementalHash> {
  const command = await findCommand(algorithm);
  if (!command) return await createHash(algorithm);
  return { update: () => {}, digest: () => hashByProgram(path, algorithm, command) };
}

/** The same for a file that is read: the program begins at once. */
export async function hashFile(path: string, algorithm: DigestAlgorithm): Promise<IncrementalHash> {
  const command = await findCommand(algorithm);
  if (!command) return await createHash(algorithm);
  const digest = hashByProgram(path, algorithm, command);
  // Who reads to the end hears of it; nobody has to.
  digest.catch(() => {});
  return { update: () => {}, digest: () => digest };
}

type Command = { program: string; args: readonly string[] };

/** What was found; nothing changes while a process runs. */
const found = new Map<DigestAlgorithm, Promise<Command | undefined>>();

function findCommand(algorithm: DigestAlgorithm): Promise<Command | undefined> {
  const known = found.get(algorithm);
  if (known) return known;
  const search = searchCommand(algorithm);
  found.set(algorithm, search);
  return search;
}

async function searchCommand(algorithm: DigestAlgorithm): Promise<Command | undefined> {
  for (const command of COMMANDS[algorithm]) {
    const { state } = await Deno.permissions.query({ name: "run", command: command.program });
    if (state === "granted" && await canRun(command.program)) return command;
  }
  return undefined;
}

async function canRun(program: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args: [program === "openssl" ? "version" : "--version"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}

async function hashByProgram(
  path: string,
  algorithm: DigestAlgorithm,
  { program, args }: Command,
): Promise<Digest> {
  const { stdout } = await new Deno.Command(program, {
    args: [...args, path],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    // Ctrl-C is for this process, which lets uploads come to their end.
    detached: Deno.build.os !== "windows",
  }).output();
  const [hex = ""] = /^[0-9a-f]+/.exec(new TextDecoder().decode(stdout)) ?? [];
  const digest = toDigest(algorithm, hex);
  if (digest) return digest;
  throw new OciError(`Cannot hash ${JSON.stringify(path)}: ${program} has failed`);
}
