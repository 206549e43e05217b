import type { ArchiveFiles } from "../../image/files.ts";
import { readLeftOut } from "../../image/left_out.ts";
import { readLayout } from "../../image/oci_layout.ts";
import { findLeftOut, type LeftOutPush } from "../left_out.ts";
import { planImages, type PlanOptions, type PushTarget } from "../plan.ts";
import { layoutImages } from "./names_first.ts";

/**
 * Looks for what a sparse archive leaves out when its first blob comes: its names and manifests have come before. Where they have
 * not, or images are chosen by their place, the end tells.
 *
 * @throws {PushError} If a blob is nowhere.
 */
export async function findEarly(
  files: ArchiveFiles,
  targets: readonly PushTarget[],
  options: PlanOptions,
  push: LeftOutPush,
): Promise<void> {
  if (options.images.some((text) => text.startsWith("#"))) return;
  const entries = await readLayout(files);
  if (!entries || entries.some(({ node, blob }) => !node && !blob)) return;
  const images = layoutImages(entries).map(({ image }, at) => ({ ...image, id: `#${at + 1}` }));
  const { planned } = planImages(
    { dialect: "oci", images, beside: [], notices: [], files },
    targets,
    options,
  );
  await findLeftOut(planned, await readLeftOut(files), targets, push);
}
