/// <reference lib="dom" />
import { openArchive } from "../src/archive/open_archive.ts";
import { OciError } from "../src/errors.ts";
import type { PushEvent } from "../src/push/events.ts";
import { pushImage } from "../src/push/push.ts";
import { ArchiveView, type Chosen } from "./archive_view.ts";
import { button, copyLine, element, fill, say } from "./dom.ts";
import { type GatewayPush, pushByGateway } from "./gateway_push.ts";
import { ProgressView } from "./progress_view.ts";
import { registryField } from "./registry_field.ts";
import { rememberRegistry, type Settings } from "./settings.ts";
import { count, failureBox, sizeText, timeText } from "./words.ts";

/** Told which registry something was pushed to. */
type OnPushed = (registry: string) => void;

/** Where an archive is chosen or dropped, seen, and pushed from. */
export function pushView(settings: Settings, registry: string, onPushed: OnPushed): Element {
  const field = element("input", { type: "file" });
  const body = element("div", { class: "pushing" });
  let push: Push | undefined;
  const take = (file: File | undefined) => {
    if (!file || push?.isRunning) return;
    drop.classList.add("small");
    push = new Push(body, file, settings, registry, onPushed);
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
  listenForDrops(drop, take, (name) => {
    if (!push?.isRunning) fill(body, failureBox(folderError(name)));
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
  refuseFolder: (name: string) => void,
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
    const folder = event.dataTransfer?.items[0]?.webkitGetAsEntry();
    if (folder?.isDirectory) refuseFolder(folder.name);
    else take(event.dataTransfer?.files[0]);
  });
}

function folderError(name: string): OciError {
  const path = /^[\w.-]+$/.test(name) ? name : "FOLDER";
  return new OciError(`Cannot read ${JSON.stringify(name)}: it is a folder, expected a file`, {
    hint: `pack it with tar -cf image.tar -C ${path} . or use tarpush push ${path}/ HOST`,
  });
}

/** One call of the push. */
interface Job {
  targets: string[];
  chosen: Chosen;
}

/** A name that stands. */
interface Tag {
  reference: string;
  digest: string;
}

/** An archive that was chosen, up to the end of its push. */
class Push {
  /** Whether it is on its way; another archive has to wait. */
  isRunning = false;
  readonly #settings: Settings;
  readonly #onPushed: OnPushed;
  readonly #file: File;
  readonly #opened = element("div");
  readonly #outcome = element("div");
  readonly #registry: HTMLInputElement | HTMLSelectElement;

  constructor(
    body: Element,
    file: File,
    settings: Settings,
    registry: string,
    onPushed: OnPushed,
  ) {
    this.#settings = settings;
    this.#onPushed = onPushed;
    this.#file = file;
    this.#registry = targetField(settings, registry);
    const title = element(
      "p",
      { class: "file" },
      element("strong", {}, file.name),
      ` ${sizeText(file.size)}`,
    );
    fill(body, title, this.#opened, this.#outcome);
    this.#open();
  }

  async #open(): Promise<void> {
    fill(this.#opened, element("p", { class: "busy" }, "Reading the archive ..."));
    try {
      const archive = await openArchive(this.#file);
      const view = new ArchiveView(this.#file, archive);
      const form = element(
        "form",
        {
          onsubmit: (event) => {
            event.preventDefault();
            this.#push(archive.images.length, view.chosen());
          },
        },
        view.root,
        this.#target(),
        element("button", { class: "primary", type: "submit" }, "Push"),
      );
      fill(this.#opened, form);
      say(`${this.#file.name}: ${count(archive.images.length, "image")}`);
    } catch (error) {
      fill(this.#opened, failureBox(error));
    }
  }

  #target(): Element {
    return element("label", { class: "field" }, "Registry", this.#registry);
  }

  async #push(images: number, chosen: readonly Chosen[]): Promise<void> {
    const registry = this.#registry.value.trim().replace(/\/+$/, "");
    const problem = problemOf(registry, chosen);
    if (problem) return fill(this.#outcome, failureBox(new Error(problem)));
    const jobs = chosen.map((chosen) => ({
      targets: chosen.names.map((name) => `${registry}/${name}`),
      chosen: images === 1 ? { ...chosen, image: { ...chosen.image, id: "" } } : chosen,
    }));
    if (await this.#run(jobs)) {
      rememberRegistry(registry);
      this.#onPushed(registry);
    }
  }

  /** Pushes; returns whether a tag came of it. */
  async #run(jobs: readonly Job[]): Promise<boolean> {
    const stop = new AbortController();
    const start = performance.now();
    const tags: Tag[] = [];
    const progress = element("div");
    const cancel = button("Cancel", () => {
      cancel.disabled = true;
      stop.abort(new DOMException("cancelled", "AbortError"));
    });
    const inputs = this.#opened.querySelectorAll<HTMLInputElement>("input, select, button");
    const setDisabled = (isDisabled: boolean) =>
      inputs.forEach((input) => void (input.disabled = isDisabled));
    setDisabled(true);
    this.isRunning = true;
    fill(this.#outcome, progress, cancel);
    cancel.focus();
    this.#outcome.scrollIntoView({ block: "nearest" });
    say("The push has begun");
    try {
      for (const job of jobs) await this.#pushOne(job, progress, tags, stop.signal);
      cancel.replaceWith(done(tags, performance.now() - start));
      say(`Pushed ${tags.map(({ reference }) => reference).join(", ")}`);
    } catch (error) {
      const box = stop.signal.aborted
        ? element(
          "p",
          { class: "box warning", role: "alert" },
          "Cancelled: no tag was written for what was on its way",
        )
        : failureBox(error);
      cancel.replaceWith(
        ...(tags.length > 0 ? [done(tags, performance.now() - start)] : []),
        box,
      );
    } finally {
      this.isRunning = false;
      setDisabled(false);
      // The button that had the focus is gone.
      this.#opened.querySelector<HTMLElement>("[type=submit]")?.focus({ preventScroll: true });
    }
    return tags.length > 0;
  }

  /** Pushes one image; `tags` gets what stands, also where the push fails later on. */
  async #pushOne(
    { targets, chosen: { image, platforms } }: Job,
    progress: Element,
    tags: Tag[],
    signal: AbortSignal,
  ): Promise<void> {
    const images = image.id ? [image.id] : [];
    const view = new ProgressView(targets.join(", "));
    fill(progress, view.root);
    const onEvent = (event: PushEvent) => {
      view.apply(event);
      // What goes beside an image is no result of its own.
      if (event.type === "tag" && !event.subject) tags.push(event);
    };
    const push = { images, platforms, signal, onEvent };
    try {
      if (this.#settings.gateway) await this.#pushByGateway(targets, push);
      else await pushImage(this.#file, targets, push);
    } finally {
      view.end();
    }
  }

  /** The whole archive goes to the gateway, once for each name. */
  async #pushByGateway(
    targets: readonly string[],
    push: Omit<GatewayPush, "file" | "target" | "onSent">,
  ): Promise<void> {
    const file = this.#file;
    const path = "the archive, to the gateway";
    const onSent = (sent: number) => push.onEvent({ type: "blob-progress", path, sent });
    for (const target of targets) {
      push.onEvent({ type: "blob-start", path, size: file.size });
      await pushByGateway({ ...push, file, target, onSent });
    }
  }
}

/** Where to push: what a gateway allows, else any registry. */
function targetField(
  { gateway }: Settings,
  registry: string,
): HTMLInputElement | HTMLSelectElement {
  if (!gateway) return registryField(registry);
  const places = gateway.allow.map((place) => place.replace(/^https?:\/\/|\/$/g, ""));
  return element("select", {}, ...places.map((place) => element("option", {}, place)));
}

function problemOf(registry: string, chosen: readonly Chosen[]): string | undefined {
  if (!registry) {
    return "Name the registry: HOST or HOST:PORT, with http:// in front where it has no TLS";
  }
  if (chosen.length === 0) return "Choose an image";
  const nameless = chosen.find(({ names }) => names.length === 0);
  return nameless && `Name ${nameless.image.primaryTag ?? nameless.image.id}: REPOSITORY:TAG`;
}

function done(tags: readonly Tag[], milliseconds: number): Element {
  const items = tags.map(({ reference, digest }) =>
    element(
      "li",
      {},
      element("strong", {}, reference),
      copyLine(digest, `digest of ${reference}`),
      copyLine(`docker pull ${reference}`, `pull command of ${reference}`),
    )
  );
  return element(
    "div",
    { class: "box good" },
    element("p", {}, `Pushed in ${timeText(milliseconds)}`),
    element("ul", { class: "plain" }, ...items),
  );
}
