/// <reference lib="dom" />
import { isRefusedDeletion } from "../src/registry/deletion.ts";
import type { RepositoryManifests } from "../src/registry/repository_manifests.ts";
import { button, element, fill, say } from "./dom.ts";
import { failureBox } from "./words.ts";

interface Removable {
  /** Tag or digest. */
  reference: string;
  isTag: boolean;
  digest: string;
}

/** A button that removes a tag or manifest, after it has asked. */
export function removeView(
  manifests: RepositoryManifests,
  { reference, isTag, digest }: Removable,
  onRemoved: () => void,
): HTMLElement {
  const outcome = element("div");
  const ask = button(isTag ? `Delete tag ${reference}` : "Delete manifest", async () => {
    ask.disabled = true;
    fill(outcome);
    try {
      const question = isTag ? `Delete the tag ${reference}?` : "Delete this manifest?";
      if (!await confirmed(question, "Layers stay until the registry collects its garbage.")) {
        return;
      }
      await remove(manifests, isTag ? reference : digest, digest);
      say("Deleted");
      onRemoved();
    } catch (error) {
      fill(outcome, failureBox(error));
    } finally {
      ask.disabled = false;
    }
  }, { kind: "danger" });
  return element("div", { class: "remove" }, ask, outcome);
}

/** Removes a tag alone where the registry can, else its manifest, with all tags of it, after it has asked again. */
async function remove(
  manifests: RepositoryManifests,
  reference: string,
  digest: string,
): Promise<void> {
  try {
    return await manifests.delete(reference);
  } catch (error) {
    if (reference === digest || !isRefusedDeletion(error)) throw error;
  }
  const tags = await manifests.tags(digest);
  const others = tags.filter((tag) => tag !== reference);
  const question = others.length > 0
    ? `This registry deletes no tag alone. Delete ${others.join(", ")} as well?`
    : undefined;
  if (question && !await confirmed(question, "They name the same image.")) return;
  await manifests.delete(digest);
}

/** Asks in a dialog; whoever closes it has said no. */
function confirmed(question: string, note: string): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = element(
      "dialog",
      { "aria-labelledby": "question", onclose: () => end() },
      element("h2", { id: "question" }, question),
      element("p", {}, note),
      element(
        "div",
        { class: "row end" },
        button("Keep it", () => dialog.close()),
        button("Delete", () => dialog.close("delete"), { kind: "danger" }),
      ),
    );
    const end = () => {
      dialog.remove();
      resolve(dialog.returnValue === "delete");
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}
