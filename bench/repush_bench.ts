import { findProgram } from "../tests/helpers/programs.ts";
import { startRealRegistry } from "../tests/helpers/real_registry.ts";
import { type PreparedImage, prepareImage } from "./archives.ts";
import { type Contender, contenders } from "./contenders.ts";
import { type BenchOptions, benchRow, measureProcess, usualCells, warmUp } from "./measure.ts";
import { ONE_LARGE } from "./shapes.ts";

/** The second push of the same archive: the whole process, and what it read of 1 GiB. */
export async function benchRepush(options: BenchOptions): Promise<void> {
  const wanted = contenders().filter(({ name }) => options.isWanted(`repush 1x1024 ${name}`));
  if (wanted.length === 0 || !findProgram("docker-registry")) return;
  const image = await prepareImage(ONE_LARGE);
  await warmUp([image.tar]);
  for (const contender of wanted) {
    await benchRow(
      `repush 1x1024 ${contender.name}`,
      options,
      () => benchContender(contender, image, options.runs),
    );
  }
}

async function benchContender(
  contender: Contender,
  image: PreparedImage,
  runs: number,
): Promise<Record<string, string>> {
  await using registry = await startRealRegistry("docker-registry");
  const command = contender.push(image, registry.host);
  await measureProcess(command);
  const measured = [];
  for (let run = 0; run < runs; run++) measured.push(await measureProcess(command));
  return {
    ...usualCells(measured),
    ...(contender.isOurs && { read: `${bytesRead(measured.at(-1)?.stdout ?? "")} bytes` }),
  };
}

function bytesRead(stdout: string): unknown {
  const result: unknown = JSON.parse(stdout);
  return typeof result === "object" && result !== null && "bytesRead" in result
    ? result.bytesRead
    : "-";
}
