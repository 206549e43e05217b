/// <reference lib="dom" />
import { openArchive } from "../src/archive/open_archive.ts";
import type { PushEvent } from "../src/push/events.ts";
import { ArchiveView } from "./archive_view.ts";
import { button, element, fill, say } from "./dom.ts";
import { pushByGateway } from "./gateway_push.ts";
import type { Chosen } from "./image_row.ts";
import { nearReads } from "./near_reads.ts";
import { ProgressView } from "./progress_view.ts";
import { type Job, type PushHooks, pushImages } from "./push_images.ts";
import { pushedView, type Tag } from "./pushed_view.ts";
import { registryField } from "./registry_field.ts";
import { rememberRegistry, type Settings } from "./settings.ts";
import { count, failureBox, sizeText } from "./words.ts";

/** Told which registry something was pushed to. */
export type OnPushed = (registry: string) => void;

/** So many names are read out at the end. */
const MAX_SAID = 3;

/** An archive that was chosen, up to the end of its push. */
export class PushForm {
  /** Whether it is on its way; another archive has to wait. */
  isRunning = false;
  readonly #settings: Settings;
  readonly #onPushed: OnPushed;
  readonly #file: File;
  readonly #opened = element("div");
  readonly #outcome = element("div");
  readonly #registry: HTMLInputElement | HTMLSelectElement;
  readonly #fields = element("fieldset");
  readonly #submit = element("button", { class: "primary", type: "submit" }, "Push");
  readonly #closed = new AbortController();

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

  /** The registry that was typed. */
  get registry(): string {
    return this.#registry.value.trim();
  }

  /** Ends what is read of it: another archive takes its place. */
  close(): void {
    this.#closed.abort();
  }

  async #open(): Promise<void> {
    fill(this.#opened, element("p", { class: "busy" }, "Reading the archive ..."));
    const { signal } = this.#closed;
    try {
      const source = nearReads(this.#file);
      const opened = await openArchive(source, { signal });
      const view = new ArchiveView({ name: this.#file.name, source, opened }, signal);
      fill(
        this.#fields,
        view.root,
        element("label", { class: "field" }, "Registry", this.#registry),
        this.#submit,
      );
      const onsubmit = (event: Event) => {
        event.preventDefault();
        this.#push(opened.images.length, view.chosen());
      };
      fill(this.#opened, element("form", { onsubmit }, this.#fields));
      say(`${this.#file.name}: ${count(opened.images.length, "image")}`);
    } catch (error) {
      if (!signal.aborted) fill(this.#opened, failureBox(error));
    }
  }

  async #push(images: number, chosen: readonly Chosen[]): Promise<void> {
    const registry = this.registry.replace(/\/+$/, "");
    const problem = problemOf(registry, chosen);
    if (problem) return fill(this.#outcome, failureBox(new Error(problem)));
    const jobs = chosen.map(({ image, names, platforms }) => ({
      id: images === 1 ? undefined : image.id,
      targets: names.map((name) => `${registry}/${name}`),
      platforms,
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
    // No request of a page that is gone goes on; what an abort sends at once does.
    const leave = () => stop.abort(new DOMException("the page was closed", "AbortError"));
    addEventListener("pagehide", leave);
    this.#fields.disabled = true;
    this.isRunning = true;
    fill(this.#outcome, progress, cancel);
    cancel.focus();
    this.#outcome.scrollIntoView({ block: "nearest" });
    say("The push has begun");
    const pushed = () => pushedView(tags, performance.now() - start);
    try {
      await this.#pushJobs(jobs, progress, tags, stop.signal);
      cancel.replaceWith(pushed());
      const names = tags.map(({ reference }) => reference);
      say(`Pushed ${names.length > MAX_SAID ? count(names.length, "name") : names.join(", ")}`);
    } catch (error) {
      const box = stop.signal.aborted ? cancelledBox() : failureBox(error);
      cancel.replaceWith(...(tags.length > 0 ? [pushed()] : []), box);
    } finally {
      removeEventListener("pagehide", leave);
      this.isRunning = false;
      this.#fields.disabled = false;
      // The button that had the focus is gone.
      this.#submit.focus({ preventScroll: true });
    }
    return tags.length > 0;
  }

  /** Pushes images; `tags` gets what stands, also where the push fails later on. */
  async #pushJobs(
    jobs: readonly Job[],
    progress: Element,
    tags: Tag[],
    signal: AbortSignal,
  ): Promise<void> {
    let view: ProgressView | undefined;
    const onPart = (part: readonly Job[]) => {
      view?.end();
      view = new ProgressView(titleOf(part));
      fill(progress, view.root);
    };
    const onEvent = (event: PushEvent) => {
      view?.apply(event);
      // What goes beside an image is no result of its own.
      if (event.type === "tag" && !event.subject) tags.push(event);
    };
    const hooks = { signal, onEvent, onPart };
    try {
      if (this.#settings.gateway) await this.#pushByGateway(jobs, hooks);
      else await pushImages(nearReads(this.#file), jobs, hooks);
    } finally {
      view?.end();
    }
  }

  /** The whole archive goes to the gateway, once for each image. */
  async #pushByGateway(jobs: readonly Job[], hooks: PushHooks): Promise<void> {
    const { signal, onEvent, onPart } = hooks;
    const file = this.#file;
    const path = "the archive, to the gateway";
    const onSent = (sent: number) => onEvent({ type: "blob-progress", path, sent });
    for (const job of jobs) {
      const { id, targets, platforms = [] } = job;
      const images = id === undefined ? [] : [id];
      onPart([job]);
      onEvent({ type: "blob-start", path, size: file.size });
      await pushByGateway({ file, targets, images, platforms, signal, onEvent, onSent });
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
  const options = places.map((place) => element("option", { selected: place === registry }, place));
  return element("select", {}, ...options);
}

function problemOf(registry: string, chosen: readonly Chosen[]): string | undefined {
  if (!registry) {
    return "Name the registry: HOST or HOST:PORT, with http:// in front where it has no TLS";
  }
  if (chosen.length === 0) return "Choose an image";
  const nameless = chosen.find(({ names }) => names.length === 0);
  if (nameless) return `Name ${nameless.image.primaryTag ?? nameless.image.id}: REPOSITORY:TAG`;
  const nothing = chosen.find(({ platforms }) => platforms?.length === 0);
  return nothing && `Choose a platform of ${nothing.image.primaryTag ?? nothing.image.id}`;
}

function titleOf(jobs: readonly Job[]): string {
  const [first = "", ...others] = jobs.flatMap(({ targets }) => targets);
  if (others.length <= 1) return [first, ...others].join(", ");
  return `${first} and ${count(others.length, "other name")}`;
}

function cancelledBox(): Element {
  return element(
    "p",
    { class: "box warning", role: "alert" },
    "Cancelled: no tag was written for what was on its way",
  );
}
