/// <reference lib="dom" />
import { OciError } from "../src/errors.ts";
import { element, fill } from "./dom.ts";
import { type OnPushed, PushForm } from "./push_form.ts";
import type { Settings } from "./settings.ts";
import { failureBox } from "./words.ts";

/** Where an archive is chosen or dropped, seen, and pushed from. */
export function pushView(settings: Settings, registry: string, onPushed: OnPushed): Element {
  const field = element("input", { type: "file" });
  const body = element("div", { class: "pushing" });
  let push: PushForm | undefined;
  const take = (file: File | undefined) => {
    if (!file || push?.isRunning) return;
    drop.classList.add("small");
    push?.close();
    push = new PushForm(body, file, settings, push?.registry ?? registry, onPushed);
  };
  addEventListener("beforeunload", (event) => {
    // The browser asks whether to leave.
    if (push?.isRunning) event.preventDefault();
  });
  field.addEventListener("change", () => {
    take(field.files?.[0]);
    // The same file may be chosen again, after it was written anew.
    field.value = "";
  });
  const drop = element(
    "label",
    { class: "drop" },
    field,
    element(
      "span",
      { class: "call" },
      "Drop an image tar here, or ",
      element("u", {}, "choose one"),
    ),
    element(
      "span",
      { class: "hint" },
      "From docker save, podman save, buildx, crane, skopeo ... plain, .gz, .xz or .zst, of any size",
    ),
  );
  listenForDrops(drop, take, (error) => {
    if (push?.isRunning) return;
    push?.close();
    fill(body, failureBox(error));
  });
  return element(
    "section",
    { class: "card", "aria-labelledby": "push-title" },
    element("h2", { id: "push-title" }, "Push an image"),
    drop,
    body,
  );
}

/** The whole page takes what is dropped: who misses the field would leave the page for the file. */
function listenForDrops(
  field: Element,
  take: (file: File | undefined) => void,
  refuse: (error: OciError) => void,
): void {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    field.classList.add("over");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) field.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    field.classList.remove("over");
    const { items, files } = event.dataTransfer ?? {};
    const folder = items?.[0]?.webkitGetAsEntry();
    if (files && files.length > 1) refuse(severalError(files.length));
    else if (folder?.isDirectory) refuse(folderError(folder.name));
    else take(files?.[0]);
  });
}

function severalError(number: number): OciError {
  return new OciError(`Cannot read ${number} files at once: expected one`, {
    hint: "drop one after the other, or use tarpush push ARCHIVE ARCHIVE --to HOST",
  });
}

function folderError(name: string): OciError {
  const path = /^[\w.-]+$/.test(name) ? name : "FOLDER";
  return new OciError(`Cannot read ${JSON.stringify(name)}: it is a folder, expected a file`, {
    hint: `pack it with tar -cf image.tar -C ${path} . or use tarpush push ${path}/ HOST`,
  });
}
