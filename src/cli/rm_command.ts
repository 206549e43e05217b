import { untilAborted } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { OciError, restate } from "../errors.ts";
import { formatReference, type Reference, refuseOtherDigest } from "../reference.ts";
import { isRefusedDeletion } from "../registry/deletion.ts";
import type { RepositoryManifests } from "../registry/repository_manifests.ts";
import type { Host } from "../runtime/host.ts";
import type { RemoveCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { quote, UsageError } from "./options.ts";
import { withErrorDocument, writeDocument } from "./json_document.ts";
import { readLine } from "./read_line.ts";
import { openRegistry, parseImage } from "./registry_client.ts";
import { counted, linesText, printable, resultLine } from "./render.ts";

/**
 * `tarpush rm`: removes a tag where the registry can, else its digest. What would go with that is named, and goes only if
 * a person or `--yes` says so.
 */
export function runRemove(
  command: RemoveCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  return withErrorDocument(command, host.stdout, async () => {
    const reference = parseImage(command.reference);
    if (!reference.tag && !reference.digest) {
      throw new UsageError(
        `Cannot remove ${quote(command.reference)}: it names neither a tag nor a digest`,
        `tarpush rm ${command.reference}:TAG`,
      );
    }
    await using client = await openRegistry(reference, command, host, signal);
    const { manifests } = client.repository(reference.repository);
    const digest = await manifests.resolve(reference.name);
    refuseOtherDigest("remove", reference, digest);
    const removed = await remove(manifests, reference, digest, host, async (others) => {
      await requireDeletion(manifests, command.reference);
      if (!command.yes) await agree(command.reference, others, host, signal);
    });
    const references = removed.map((name) => formatReference({ ...reference, ...name }));
    if (command.json) await writeDocument(host, { digest, removed: references });
    else await host.stdout.write(linesText(references.map((name) => resultLine(name, digest))));
    return EXIT.done;
  });
}

/** Removes, and returns what is gone: tags, or else the digest. */
async function remove(
  manifests: RepositoryManifests,
  { tag }: Reference,
  digest: Digest,
  host: Host,
  confirm: (others: string[]) => Promise<void>,
): Promise<Pick<Reference, "tag" | "digest">[]> {
  if (tag !== undefined) {
    try {
      await manifests.delete(tag);
      return [{ tag }];
    } catch (error) {
      // registry:2 answers so for every tag.
      if (!isRefusedDeletion(error)) throw error;
    }
  }
  const onWarning = (message: string) => void host.stderr.write(`warning: ${printable(message)}\n`);
  const others = (await manifests.tags(digest, { onWarning })).filter((other) => other !== tag);
  if (others.length > 0) await confirm(others);
  await manifests.delete(digest);
  const gone = tag === undefined ? others : [tag, ...others];
  return gone.length > 0 ? gone.map((tag) => ({ tag })) : [{ digest }];
}

/** A digest that nothing has: to delete it tells whether the registry deletes at all, and does no more. */
const NOTHING: Digest = `sha256:${"0".repeat(64)}`;

/** Nobody is asked about what the registry would not do. */
async function requireDeletion(manifests: RepositoryManifests, reference: string): Promise<void> {
  const answer: unknown = await manifests.delete(NOTHING).catch((error) => error);
  if (!isRefusedDeletion(answer) || answer.status === 400) return;
  const { status, hint } = answer;
  const message = `Cannot remove ${quote(reference)}: the registry does not allow it (${status})`;
  throw restate(answer, message, { hint });
}

async function agree(
  reference: string,
  others: string[],
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  const count = counted(others.length, "other tag");
  const lines = linesText(others.map((tag) => `  ${printable(tag)}`));
  await host.stderr.write(`To remove ${printable(reference)} removes these tags too:\n${lines}`);
  if (!await host.stdin.isTerminal() || !await host.stderr.isTerminal()) {
    throw new UsageError(
      `Cannot remove ${quote(reference)} alone: ${count} would go with it`,
      "add --yes to remove all of them",
    );
  }
  if (await ask(`Remove ${count} as well?`, host, signal)) return;
  throw new OciError("Nothing was removed");
}

/** Asks a person. The web's `confirm` would do it, but lets no Ctrl-C through while it waits. */
async function ask(question: string, host: Host, signal: AbortSignal): Promise<boolean> {
  await host.stderr.write(`${question} [y/N] `);
  try {
    const answer = await untilAborted(readLine(host.stdin.pieces()), signal);
    return /^\s*y(?:es)?\s*$/i.test(answer);
  } catch (error) {
    // Nobody ended the line of the question.
    await host.stderr.write("\n");
    throw error;
  }
}
