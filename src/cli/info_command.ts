import { formatReference, refuseOtherDigest, withTag } from "../reference.ts";
import type { Host } from "../runtime/host.ts";
import type { InfoCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { infoLines } from "./info_table.ts";
import { withErrorDocument, writeDocument } from "./json_document.ts";
import { openRegistry, parseImage } from "./registry_client.ts";
import { linesText } from "./render.ts";
import { choosePaint } from "./reporter.ts";

/** `tarpush info`: what an image in a registry is made of, for people or as JSON. */
export function runInfo(command: InfoCommand, host: Host, signal: AbortSignal): Promise<number> {
  return withErrorDocument(command, host.stdout, async () => {
    const image = parseImage(command.reference);
    await using client = await openRegistry(image, command, host, signal);
    const info = await client.repository(image.repository).image(image.name);
    refuseOtherDigest("show", image, info.digest);
    const reference = formatReference(withTag(image));
    if (command.json) await writeDocument(host, { reference, ...info });
    else {
      const paint = await choosePaint(host, host.stdout);
      await host.stdout.write(linesText(infoLines(reference, info, paint)));
    }
    return EXIT.done;
  });
}
